//! HTTP and SOAP as far as the imitation needs them: requests are looked through as text, in the order VMware's clients write them.

use std::io::{BufRead, Write};
use std::net::TcpStream;

/// A request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) first: String,
    pub(crate) cookie: String,
    pub(crate) body: String,
}

/// `None`: the other side is done.
pub(crate) fn read(input: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut request = Request::default();
    let mut length = 0;
    if input.read_line(&mut request.first)? == 0 {
        return Ok(None);
    }
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        match line.trim().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().unwrap_or(0),
            Some((name, value)) if name.eq_ignore_ascii_case("cookie") => value.trim().clone_into(&mut request.cookie),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(request))
}

impl Request {
    /// Kind and id of the object, and the method.
    pub(crate) fn call(&self) -> (String, String, String) {
        let body = self.body.split_once("Body>").map_or("", |(_, rest)| rest);
        let method = body.trim_start().trim_start_matches('<').split([' ', '>']).next().unwrap_or_default().to_owned();
        let this = elements(&self.body, "_this").next().unwrap_or_default();
        (kind(this.0), this.1.to_owned(), method)
    }
    /// The text of the first element of that name.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        elements(&self.body, name).next().map(|(_, inner)| plain(inner))
    }
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        elements(&self.body, name)
    }
}

/// Attributes and inner text of the elements of that name, one after the other.
pub(crate) fn elements<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find(&format!("<{name}"))?;
            let after = &rest[at + 1 + name.len()..];
            if !after.starts_with([' ', '>', '/']) {
                rest = after;
                continue;
            }
            let (attributes, inner) = after.split_once('>')?;
            if let Some(attributes) = attributes.strip_suffix('/') {
                rest = inner;
                return Some((attributes, ""));
            }
            let end = inner.find(&format!("</{name}>"))?;
            rest = &inner[end..];
            return Some((attributes, &inner[..end]));
        }
    })
}

/// Of attributes, the kind of the object.
pub(crate) fn kind(attributes: &str) -> String {
    let found = attributes.split(" type=\"").nth(1).or_else(|| attributes.strip_prefix("type=\"")).unwrap_or_default();
    found.split('"').next().unwrap_or_default().to_owned()
}

pub(crate) fn plain(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// What goes back.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) cookie: Option<String>,
    /// It was done, and nobody hears of it.
    pub(crate) is_lost: bool,
}

impl Reply {
    pub(crate) fn good(method: &str, inner: &str) -> Self {
        let body = envelope(&format!("<{method}Response xmlns=\"urn:vim25\">{inner}</{method}Response>"));
        Self { status: 200, body, cookie: None, is_lost: false }
    }

    pub(crate) fn fault(kind: &str, words: &str) -> Self {
        let body = envelope(&format!(
            "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{words}</faultstring><detail>\
             <{kind}Fault xmlns=\"urn:vim25\" xsi:type=\"{kind}\"/></detail></soapenv:Fault>"
        ));
        Self { status: 500, body, cookie: None, is_lost: false }
    }

    pub(crate) fn send(&self, out: &mut TcpStream) -> std::io::Result<()> {
        let cookie = self.cookie.as_ref().map(|cookie| format!("set-cookie: {cookie}; Path=/; HttpOnly\r\n")).unwrap_or_default();
        let words = if self.status == 200 { "OK" } else { "Error" };
        write!(
            out,
            "HTTP/1.1 {} {words}\r\ncontent-type: text/xml; charset=utf-8\r\n{cookie}content-length: {}\r\n\r\n{}",
            self.status,
            self.body.len(),
            self.body
        )
    }
}

fn envelope(inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope xmlns:soapenc=\"http://schemas.xmlsoap.org/soap/encoding/\" \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>{inner}</soapenv:Body></soapenv:Envelope>"
    )
}
