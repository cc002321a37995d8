//! `ridethrough reload`: the running controller reads its configuration anew. What it refuses leaves everything as it was.

use super::arm::{who, with_findings};
use super::json;
use crate::failure::Failure;
use crate::output::Style;
use ridethrough_api::Client;

pub(crate) async fn run(client: &Client, style: &Style, is_json: bool) -> Result<String, Failure> {
    let done = client.reload(&who()).await?;
    if is_json {
        return Ok(json(&done));
    }
    let status = client.status().await?;
    let digest = status.configuration.map_or_else(String::new, |known| known.digest.chars().take(12).collect());
    Ok(with_findings(style, format!("The configuration {digest} is in force.\n"), "Note", &done))
}
