//! Output formats for impact and lineage: tree, Markdown, Mermaid, DOT, JSON or HTML page. Each format escapes all
//! names in one place, because names come from files by many authors.

mod brief;
mod html;
mod json;
mod markdown;
mod picture;
mod tree;

pub use brief::format_brief;
pub use html::{HtmlNodeDetails, html_page, node_details};
pub use json::{impact_json as json, lineage_json};
pub use markdown::impact_markdown;
pub use picture::{DrawnNode, GraphDrawing, from_impact};
pub use tree::{impact_tree as tree, lineage_tree};
