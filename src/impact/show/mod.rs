//! Output formats for impact and lineage: tree, Markdown, Mermaid, DOT, JSON or HTML page. Each format escapes all
//! names in one place, because names come from files by many authors.

mod brief;
mod graph_drawing;
mod html;
mod json;
mod markdown;
mod tree;

pub use brief::format_brief;
pub use graph_drawing::{DrawnNode, GraphDrawing, from_impact};
pub use html::{HtmlNodeDetails, html_page, node_details};
pub use json::{impact_json as json, lineage_json};
pub use markdown::impact_markdown;
pub use tree::{impact_tree as tree, lineage_tree};
