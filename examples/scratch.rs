use formulac::*;
fn main(){
 let args: Vec<String> = std::env::args().skip(1).collect();
 let schema = Schema::new();
 for t in args {
  println!("=== {t}");
  for d in Dialect::all() {
   let c = Compiler::builder().dialect(d).schema(schema.clone()).order_by(["m"]).build();
   let r = c.compile(&t);
   for x in r.definitions() { println!("{:10} {} :: {} {} null={} {:?}", d.name(), x.sql(), x.ty(), x.level(), x.nullable(), x.columns().map(|c| format!("{}:{:?}", c.name, c.assumed)).collect::<Vec<_>>()); }
   if d.name()=="postgres" || r.definitions().is_empty() { for x in r.diagnostics() { println!("   {} {:?} {} | {:?}", x.code(), x.span().text(&t), x, x.help()); } }
  }
 }
}
