//! From options to a client: which controller, and with which token.

use crate::failure::Failure;
use clap::Args;
use ridethrough_api::{Client, TOKEN_FILE, code};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Which controller to speak to.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ApiOptions {
    /// The controller's address, e.g. http://127.0.0.1:7878; otherwise RIDETHROUGH_URL or the configuration say it
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) url: Option<String>,
    /// The file with the API's token; otherwise RIDETHROUGH_TOKEN_FILE, or `api-token` in the configured data
    /// directory
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) token_file: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Where the configuration says the controller is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
}

/// Makes the client. The configuration is asked only for what the options do not say.
pub(crate) fn client(options: &ApiOptions, place: impl Fn() -> Result<Place, Failure>) -> Result<Client, Failure> {
    let url = match options.url.clone().or_else(|| std::env::var("RIDETHROUGH_URL").ok()) {
        Some(url) => url,
        None => format!("http://{}", place()?.listen),
    };
    let token_file = match options.token_file.clone().or_else(|| std::env::var_os("RIDETHROUGH_TOKEN_FILE").map(PathBuf::from)) {
        Some(file) => file,
        None => place()?.data_dir.join(TOKEN_FILE),
    };
    let token = read_token(&token_file)?;
    Ok(Client::new(&url, &token)?)
}

fn read_token(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::NotFound => {
                "`ridethrough serve` makes it when it first starts: start it, or name the right file with --config or --token-file."
            }
            std::io::ErrorKind::PermissionDenied => "Run this as the user the controller runs as, or as root.",
            _ => "Check the file, or name another one with --token-file.",
        };
        Failure::new(code::TOKEN_FILE, format!("the API's token file {shown} cannot be read"), remedy).because(&error)
    })?;
    if text.trim().is_empty() {
        let remedy = "Remove it and restart `ridethrough serve`, which makes a new one.";
        return Err(Failure::new(code::TOKEN_FILE, format!("the API's token file {shown} is empty"), remedy));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(dir: &Path) -> Place {
        Place { listen: "127.0.0.1:1".parse().expect("an address"), data_dir: dir.to_owned() }
    }

    #[test]
    fn options_win_over_the_configuration_which_is_not_even_read_then() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join(TOKEN_FILE), "token\n").expect("written");
        let from_configuration = client(&ApiOptions::default(), || Ok(place(dir.path()))).expect("a client");
        assert_eq!(from_configuration.url(), "http://127.0.0.1:1");
        let options = ApiOptions {
            url: Some("http://127.0.0.1:2/".to_owned()),
            token_file: Some(dir.path().join(TOKEN_FILE)),
            json: false,
        };
        let client = client(&options, || panic!("the configuration is not needed")).expect("a client");
        assert_eq!(client.url(), "http://127.0.0.1:2");
    }

    #[test]
    fn a_missing_token_says_how_it_comes_into_being() {
        let dir = tempfile::tempdir().expect("a directory");
        let failure = client(&ApiOptions::default(), || Ok(place(dir.path()))).expect_err("no token there");
        assert_eq!(failure.error.code, code::TOKEN_FILE);
        assert!(failure.text().contains("ridethrough serve"), "{}", failure.text());
    }
}
