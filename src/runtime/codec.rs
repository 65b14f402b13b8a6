//! Binary format that is much faster to read than the text from which the data was parsed. The format contains each
//! string once, and stores all other data as numbers.
//!
//! The bytes are valid only for this build and this machine. The bytes start with a fingerprint of the names of the
//! stored fields, and end with a checksum. Truncated or damaged data, and data from other builds, is therefore
//! rejected.

use std::collections::BTreeSet;
use std::hash::Hasher;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHasher};

/// Maximum nesting depth of values. Parsed JSON never has a greater nesting depth.
pub const MAX_NESTING_DEPTH: usize = 200;

/// Writes a value as bytes for [`read`], which must be called with the same `shape`. The shape is a string that
/// identifies the stored types.
pub fn to_bytes<T: Stored>(value: &T, shape: &str) -> Vec<u8> {
    let mut writer = CodecWriter::default();
    value.write(&mut writer);
    let mut out = Vec::with_capacity(writer.size + 4 * (writer.texts.len() + writer.numbers.len()) + 64);
    push_number(&mut out, fingerprint(shape.as_bytes()));
    push_number(&mut out, writer.texts.len() as u64);
    for text in &writer.texts {
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    }
    for text in &writer.texts {
        out.extend_from_slice(text.as_bytes());
    }
    for number in &writer.numbers {
        out.extend_from_slice(&number.to_le_bytes());
    }
    let checksum = fingerprint(&out);
    push_number(&mut out, checksum);
    out
}

/// Reads a value from bytes. Returns `None` if the bytes are truncated or damaged, or were written with a different
/// `shape`.
pub fn read<T: Stored>(bytes: &[u8], shape: &str) -> Option<T> {
    let (all, checksum) = bytes.split_last_chunk::<8>()?;
    if fingerprint(all) != u64::from_le_bytes(*checksum) {
        return None;
    }
    let (shape_hash, all) = all.split_first_chunk::<8>()?;
    if u64::from_le_bytes(*shape_hash) != fingerprint(shape.as_bytes()) {
        return None;
    }
    let (count, payload) = all.split_first_chunk::<8>()?;
    let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
    let (lengths, body) = payload.split_at_checked(count.checked_mul(4)?)?;
    let lengths = || {
        lengths
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| u32::from_le_bytes(*bytes) as usize)
    };
    let (texts, numbers) = body.split_at_checked(lengths().sum())?;
    let mut rest = std::str::from_utf8(texts).ok()?;
    let mut texts = Vec::with_capacity(count);
    for length in lengths() {
        let (text, after) = rest.split_at_checked(length)?;
        texts.push(Arc::from(text));
        rest = after;
    }
    let mut reader = CodecReader {
        texts: &texts,
        numbers: numbers.as_chunks::<4>().0,
        depth: 0,
    };
    let value = T::read(&mut reader)?;
    reader.numbers.is_empty().then_some(value)
}

fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Returns a fingerprint of bytes.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

/// Strings and numbers to write.
#[derive(Default)]
pub struct CodecWriter<'m> {
    places: FxHashMap<&'m str, u32>,
    texts: Vec<&'m str>,
    /// Total length of all strings in bytes.
    size: usize,
    numbers: Vec<u32>,
}

impl<'m> CodecWriter<'m> {
    /// Writes a number.
    pub fn write_number(&mut self, number: u32) {
        self.numbers.push(number);
    }

    /// Writes a string. Equal strings are stored only once.
    pub fn write_text(&mut self, text: &'m str) {
        let next = self.texts.len() as u32;
        let index = *self.places.entry(text).or_insert(next);
        if index == next {
            self.texts.push(text);
            self.size += text.len();
        }
        self.write_number(index);
    }
}

/// Strings, and the numbers that have not been read yet.
pub struct CodecReader<'t> {
    texts: &'t [Arc<str>],
    numbers: &'t [[u8; 4]],
    /// Nesting depth of the value that is being read.
    pub depth: usize,
}

impl CodecReader<'_> {
    /// Reads a number. Returns `None` if no number is left.
    pub fn read_number(&mut self) -> Option<u32> {
        let (first, rest) = self.numbers.split_first()?;
        self.numbers = rest;
        Some(u32::from_le_bytes(*first))
    }

    /// Reads a string. Returns `None` if the number read is not the index of a string.
    pub fn read_text(&mut self) -> Option<&Arc<str>> {
        let index = self.read_number()?;
        self.texts.get(index as usize)
    }
}

/// Type that can be stored in the binary format.
pub trait Stored: Sized {
    /// Writes the value.
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>);
    /// Reads a value. Returns `None` if the bytes are damaged.
    fn read(from: &mut CodecReader<'_>) -> Option<Self>;
}

impl Stored for u32 {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        to.write_number(*self);
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        from.read_number()
    }
}

impl Stored for u64 {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        to.write_number(*self as u32);
        to.write_number((*self >> 32) as u32);
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        let (low, high) = (from.read_number()?, from.read_number()?);
        Some(Self::from(low) | Self::from(high) << 32)
    }
}

impl Stored for bool {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        to.write_number(u32::from(*self));
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        Some(from.read_number()? == 1)
    }
}

impl Stored for Arc<str> {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        to.write_text(self);
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        from.read_text().cloned()
    }
}

impl Stored for String {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        to.write_text(self);
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        from.read_text().map(std::string::ToString::to_string)
    }
}

impl Stored for Box<str> {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        to.write_text(self);
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        from.read_text().map(|text| Self::from(&**text))
    }
}

impl<T: Stored> Stored for Option<T> {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        to.write_number(u32::from(self.is_some()));
        if let Some(some) = self {
            some.write(to);
        }
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        match from.read_number()? {
            0 => Some(None),
            _ => T::read(from).map(Some),
        }
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        to.write_number(self.len() as u32);
        self.iter().for_each(|item| item.write(to));
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        let count = from.read_number()? as usize;
        // A count that exceeds the remaining numbers is invalid, because each item needs at least one number.
        if count > from.numbers.len() {
            return None;
        }
        let mut items = Self::with_capacity(count);
        for _ in 0..count {
            items.push(T::read(from)?);
        }
        Some(items)
    }
}

impl<T: Stored + Ord> Stored for BTreeSet<T> {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        to.write_number(self.len() as u32);
        self.iter().for_each(|item| item.write(to));
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        Vec::read(from).map(|items| items.into_iter().collect())
    }
}

impl<T: Stored> Stored for Box<T> {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        (**self).write(to);
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        T::read(from).map(Self::new)
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        self.0.write(to);
        self.1.write(to);
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        Some((A::read(from)?, B::read(from)?))
    }
}

/// Implements `Stored` for structs. All fields must be listed.
#[macro_export]
macro_rules! structs {
    ($($name:ident { $($field:ident),* $(,)? })*) => {
        /// Names of the stored fields, in order, and the version of the crate.
        const SHAPE: &str = concat!(env!("CARGO_PKG_VERSION"), " 1 ", $(stringify!($name { $($field),* })),*);

        $(impl $crate::codec::Stored for $name {
            fn write<'m>(&'m self, to: &mut $crate::codec::CodecWriter<'m>) {
                let Self { $($field),* } = self;
                $($crate::codec::Stored::write($field, to);)*
            }

            fn read(from: &mut $crate::codec::CodecReader<'_>) -> Option<Self> {
                Some(Self { $($field: $crate::codec::Stored::read(from)?),* })
            }
        })*
    };
}

pub use structs;
