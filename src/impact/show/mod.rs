//! Output formats of an impact or a lineage: tree, Markdown, Mermaid, DOT, JSON or HTML page. Names come from files
//! by many authors, so each format escapes all names in one place.

mod brief;
mod html;
mod json;
mod markdown;
mod picture;
mod tree;

pub use brief::format_brief;
pub use html::{HtmlDetail, details, page};
pub use json::{impact as json, lineage as lineage_json};
pub use markdown::markdown;
pub use picture::{DrawnNode, GraphDrawing, from_impact};
pub use tree::{impact as tree, lineage as lineage_tree};
