//! What is known of Omni's files in a form that is read fast.

use std::collections::BTreeSet;

use super::users::User;
use super::{Field, OmniFields, Table, View};
use crate::stored::{self, Reader, Stored, Writer, structs};

/// What a field or a user can be.
const KINDS: [&str; 6] = ["column", "dimension", "measure", "filter", "topic", "join"];

impl OmniFields {
    /// All of it in the form that [`from_stored`](Self::from_stored) reads.
    ///
    /// ```
    /// use formulac::impact::OmniFields;
    ///
    /// let view = "table_name: orders\ndimensions: {id: {sql: '\"id\"'}}\n";
    /// let (fields, _) = OmniFields::from_texts(&[("orders.view.yaml".to_owned(), view.to_owned())], None);
    /// let stored = fields.to_stored();
    /// assert!(!OmniFields::from_stored(&stored).unwrap().is_empty());
    /// assert!(OmniFields::from_stored(&stored[1..]).is_none());
    /// ```
    #[must_use]
    pub fn to_stored(&self) -> Vec<u8> {
        stored::bytes(self, SHAPE)
    }

    /// What is in such a form; none where it is cut, damaged or of another build.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        let mut fields: Self = stored::read(bytes, SHAPE)?;
        fields.index();
        fields.index_users();
        Some(fields)
    }
}

structs! {
    View { name, file, fields }
    Table { schema, name }
    Field { name, kind, columns, fields, has_sql, whole }
    User { name, kind, file, views, fields }
}

impl Stored for OmniFields {
    fn write<'m>(&'m self, to: &mut Writer<'m>) {
        self.views.write(to);
        self.users.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { views: Stored::read(from)?, users: Stored::read(from)?, ..Self::default() })
    }
}

/// Only of what a field or a user can be.
impl Stored for &'static str {
    fn write<'m>(&'m self, to: &mut Writer<'m>) {
        to.text(self);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let text = from.text()?;
        KINDS.into_iter().find(|kind| **kind == **text)
    }
}

impl<T: Stored + Ord> Stored for BTreeSet<T> {
    fn write<'m>(&'m self, to: &mut Writer<'m>) {
        to.number(self.len() as u32);
        self.iter().for_each(|item| item.write(to));
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Vec::read(from).map(|items| items.into_iter().collect())
    }
}
