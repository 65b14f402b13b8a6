//! Lists the functions of the catalogue, as documentation and editors would: `cargo run --example list_functions [--
//! NAME]`.

use formulac::catalog;

fn main() {
    if let Some(name) = std::env::args().nth(1) {
        match catalog::lookup(&name) {
            Some(function) => {
                println!("{}\n{}\n", function.signature(), function.summary);
                for (argument, meaning) in function.args {
                    println!("  {argument}: {meaning}");
                }
                for example in function.examples {
                    println!("  {example}");
                }
            }
            None => eprintln!("there is no function `{name}`"),
        }
        return;
    }
    let mut category = "";
    for function in catalog::functions() {
        if function.category != category {
            category = function.category;
            println!("{category}");
        }
        println!("  {:<44} {}", function.signature(), function.summary);
    }
}
