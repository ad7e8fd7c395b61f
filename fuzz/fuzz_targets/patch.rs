#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| scimbridge_fuzz::laws::patch(data));
