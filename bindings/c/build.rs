//! Compiles the variadic entry points and names the shared library.

fn main() {
    println!("cargo:rerun-if-changed=variadic.c");
    cc::Build::new().file("variadic.c").warnings_into_errors(true).compile("siltstone_variadic");
    let unix = std::env::var_os("CARGO_CFG_UNIX").is_some();
    let apple = std::env::var("CARGO_CFG_TARGET_VENDOR").is_ok_and(|vendor| vendor == "apple");
    if unix && !apple {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,liblsm.so.1");
    }
}
