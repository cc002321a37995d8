//! One connection to one upsd: requests and complete answers, within the caller's deadline. Knows no UPS and no meaning.

use super::dial::{self, Way, Wire};
use super::wire::{self, Refusal, Row};
use ridethrough_driver::{Error, FailureKind, Result, Secret};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::BufReader;

/// An answer, or upsd's own "no".
pub(crate) type Answer<T> = std::result::Result<T, Refusal>;

/// A live connection. One that broke, or whose answer was not awaited, must be dropped: the next answer would be the old one's.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<Box<dyn Wire>>,
    /// Our own address, as upsd sees it.
    pub(crate) own_address: String,
    /// Made while our hosts needed the UPS: logged in, if there is a login and upsd took it.
    pub(crate) is_of_a_follower: bool,
    /// upsd counts us among those that follow the UPS.
    is_logged_in: bool,
    /// How many connections are logged in, this one among them.
    logins: Arc<AtomicUsize>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // However it ended: upsd forgets a login with its connection.
        if self.is_logged_in {
            self.logins.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Connection {
    pub(crate) fn over(way: Way, logins: Arc<AtomicUsize>) -> Self {
        Self { stream: way.stream, own_address: way.own_address, is_of_a_follower: false, is_logged_in: false, logins }
    }

    async fn send(&mut self, words: &[&str]) -> Result<()> {
        dial::send(&mut self.stream, words).await
    }

    async fn words(&mut self) -> Result<Vec<String>> {
        dial::words(&mut self.stream).await
    }

    /// A request with an answer of one line: its words.
    pub(crate) async fn ask(&mut self, words: &[&str]) -> Result<Answer<Vec<String>>> {
        self.send(words).await?;
        let answer = self.words().await?;
        Ok(wire::refusal(&answer).map_or(Ok(answer), Err))
    }

    /// `LIST what ...`: the rows, without the words that repeat the question.
    pub(crate) async fn list(&mut self, question: &[&str]) -> Result<Answer<Vec<Vec<String>>>> {
        let mut request = vec!["LIST"];
        request.extend(question);
        self.send(&request).await?;
        let first = self.words().await?;
        if let Some(refusal) = wire::refusal(&first) {
            return Ok(Err(refusal));
        }
        if !wire::is_begin(&first, question) {
            let said = format!("`{}` instead of a list", wire::shown(&first));
            return Err(Error::new(FailureKind::Protocol, "read a list from upsd", said));
        }
        let mut rows = Vec::new();
        let mut bytes = 0;
        loop {
            let line = self.words().await?;
            let row = wire::row(&line, question)
                .map_err(|cause| Error::new(FailureKind::Protocol, "read a list from upsd", "it is broken").caused_by(cause))?;
            match row {
                Row::End => return Ok(Ok(rows)),
                Row::Of(_) if rows.len() >= wire::ROWS_MAX || bytes > wire::LIST_BYTES_MAX => {
                    let said = format!("a list of more than {} rows or {} bytes", wire::ROWS_MAX, wire::LIST_BYTES_MAX);
                    return Err(Error::new(FailureKind::Protocol, "read a list from upsd", said));
                }
                Row::Of(row) => {
                    bytes += row.iter().map(String::len).sum::<usize>();
                    rows.push(row);
                }
            }
        }
    }

    /// Every variable of a UPS.
    pub(crate) async fn vars(&mut self, ups: &str) -> Result<Answer<BTreeMap<String, String>>> {
        let rows = self.list(&["VAR", ups]).await?;
        let pair = |row: Vec<String>| match <[String; 2]>::try_from(row) {
            Ok([name, value]) => Some((name.to_lowercase(), value)),
            // A row of another shape is skipped: what it would have said stays unknown.
            Err(_) => None,
        };
        Ok(rows.map(|rows| rows.into_iter().filter_map(pair).collect()))
    }

    /// Says who we are. upsd looks at it when it is needed, not now.
    pub(crate) async fn introduce(&mut self, user: &str, password: &Secret) -> Result<Answer<()>> {
        for request in [["USERNAME", user], ["PASSWORD", password.reveal()]] {
            if let Err(refusal) = self.ask_for_ok(&request).await? {
                return Ok(Err(refusal));
            }
        }
        Ok(Ok(()))
    }

    /// Says who we are and that we follow that UPS, so that its primary waits for us.
    pub(crate) async fn log_in(&mut self, ups: &str, user: &str, password: &Secret) -> Result<Answer<()>> {
        if let Err(refusal) = self.introduce(user, password).await? {
            return Ok(Err(refusal));
        }
        Ok(self.ask_for_ok(&["LOGIN", ups]).await?.map(|_| {
            self.is_logged_in = true;
            self.logins.fetch_add(1, Ordering::Relaxed);
        }))
    }

    /// A request that is answered by OK: the words behind it.
    pub(crate) async fn ask_for_ok(&mut self, request: &[&str]) -> Result<Answer<Vec<String>>> {
        match self.ask(request).await? {
            Ok(words) if words.first().is_some_and(|word| word == "OK") => Ok(Ok(words[1..].to_vec())),
            Ok(words) => {
                let said = format!("`{}` instead of OK", wire::shown(&words));
                Err(Error::new(FailureKind::Protocol, "talk to upsd", said))
            }
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// The names of the UPSes that this upsd knows.
    pub(crate) async fn names(&mut self) -> Result<Vec<String>> {
        let rows = self.list(&["UPS"]).await?.unwrap_or_default();
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next()).collect())
    }
}
