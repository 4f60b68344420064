//! Where a request to a SIP URI would go.
//!
//! `cargo run -p offhook-lookup --example lookup -- sip:3333@sip2sip.info`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use offhook_lookup::{LookupOptions, tokio::Resolver};
use offhook_sansio::Entropy;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let uri = std::env::args()
        .nth(1)
        .ok_or("usage: lookup <SIP URI>")?
        .parse()?;
    // Chooses among servers of equal priority: nothing that has to be secret.
    let entropy = Entropy::from_number(std::process::id().into());
    let resolver = Resolver::from_system(LookupOptions::default(), entropy)?;
    for target in resolver.routes(&uri).await? {
        println!("{target}");
    }
    Ok(())
}
