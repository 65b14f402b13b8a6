//! Binary format for the data from Omni files, designed for fast reading.

use super::field_consumers::FieldConsumer;
use super::{OmniField, OmniFields, OmniObjectKind, OmniTable, OmniView};
use crate::codec::{self, CodecReader, CodecWriter, Stored, structs};

impl OmniFields {
    /// Returns the data in the format that [`from_stored`](Self::from_stored) reads.
    ///
    /// ```
    /// use formulac_impact::OmniFields;
    ///
    /// let view = "table_name: orders\ndimensions: {id: {sql: '\"id\"'}}\n";
    /// let (fields, _) = OmniFields::from_texts(&[("orders.view.yaml".to_owned(), view.to_owned())], None);
    /// let stored = fields.to_stored();
    /// assert!(!OmniFields::from_stored(&stored).unwrap().is_empty());
    /// assert!(OmniFields::from_stored(&stored[1..]).is_none());
    /// ```
    #[must_use]
    pub fn to_stored(&self) -> Vec<u8> {
        codec::to_bytes(self, SHAPE)
    }

    /// Reads data in the format of `to_stored`. `None` if the data is truncated, damaged or from another build of
    /// formulac.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        let mut fields: Self = codec::read(bytes, SHAPE)?;
        fields.build_index();
        fields.index_field_consumers();
        Some(fields)
    }
}

structs! {
    OmniView { name, file, fields }
    OmniTable { schema, name }
    OmniField { name, kind, columns, fields, has_sql, reason_for_whole_table }
    FieldConsumer { name, kind, file, views, fields }
}

impl Stored for OmniFields {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        self.views.write(to);
        self.users.write(to);
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        Some(Self {
            views: Stored::read(from)?,
            users: Stored::read(from)?,
            ..Self::default()
        })
    }
}

impl Stored for OmniObjectKind {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        to.write_text(self.name());
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        Some(match &**from.read_text()? {
            "column" => Self::Column,
            "dimension" => Self::Dimension,
            "measure" => Self::Measure,
            "filter" => Self::Filter,
            "topic" => Self::Topic,
            "join" => Self::Join,
            _ => return None,
        })
    }
}
