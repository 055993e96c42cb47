#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sockjs_core::testing::fuzz::payload(data));
