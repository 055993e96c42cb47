#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sockjs_driver::testing::fuzz::script(data));
