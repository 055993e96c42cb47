//! The code in docs/your-own-event-loop.md is the code of examples/blocking.rs.
#![forbid(unsafe_code)]

const CHAPTER: &str = include_str!("../../docs/your-own-event-loop.md");
const PROGRAM: &str = include_str!("../../examples/blocking.rs");

#[test]
fn every_block_of_code_stands_in_the_program() {
    let blocks: Vec<&str> = CHAPTER
        .split("```rust\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    assert!(blocks.len() > 10, "the chapter's blocks are not found");
    for block in blocks {
        assert!(PROGRAM.contains(block), "not in examples/blocking.rs:\n{block}");
    }
}
