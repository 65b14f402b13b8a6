//! What an impact or a lineage looks like: as a tree, Markdown, Mermaid, DOT, JSON, or a page. Names come from files of
//! many hands, so that each form has one place that makes them safe.

mod brief;
mod html;
mod json;
mod markdown;
mod picture;
mod tree;

pub use brief::brief;
pub use html::{HtmlDetail, details, page};
pub use json::{impact as json, lineage as lineage_json};
pub use markdown::markdown;
pub use picture::{Dot, Picture, from_impact};
pub use tree::{impact as tree, lineage as lineage_tree};
