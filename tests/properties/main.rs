//! What holds for every input: no crash, spans that fit, texts that come back, growth that is linear.

mod deep;
mod formulas;
mod fuzz;
mod independence;
mod large;
mod mutations;
mod round_trip;
mod small_stack;
mod spans;
mod sql;
