//! XML as a small tree, as SOAP uses it: elements by their local names, the two attributes called `type` kept apart. Pure; bounded
//! in depth and size.
//!
//! Of the attributes only two mean something in vim25: `type` of a reference to an object, and `type` of the XML Schema instance
//! namespace, which says what a polymorphic value is. vcsim gives that namespace another prefix than vCenter does.

use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};

const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// vim25's own answers are about twenty deep.
const DEPTH_MAX: usize = 100;
/// Elements in an answer. A page of a hundred VMs has about 30,000.
const ELEMENTS_MAX: usize = 2_000_000;

/// Why an answer is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum XmlError {
    #[error("it is no XML: {0}")]
    Syntax(String),
    #[error("it is larger than any answer of vSphere")]
    TooLarge,
    #[error("it has no root element")]
    Empty,
}

/// An element with all that is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Its name without a prefix.
    pub(super) name: String,
    /// `type` without a namespace: the kind of the object that is referred to.
    pub(super) kind: Option<String>,
    /// `xsi:type` without its prefix: which of several types the value is of.
    pub(super) instance_of: Option<String>,
    pub(super) children: Vec<Element>,
    /// The text directly in it.
    pub(super) text: String,
}

impl Element {
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }
    /// The element reached by going down these names.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }
    /// Its text; `None` where there is none. An empty value is as good as none: vcsim sends some.
    pub(super) fn value(&self) -> Option<&str> {
        let text = self.text.trim();
        if text.is_empty() { None } else { Some(text) }
    }
    pub(super) fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path)?.value()
    }
    pub(super) fn bool_at(&self, path: &[&str]) -> Option<bool> {
        self.text_at(path).and_then(truth)
    }
}

/// An XML boolean.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Text as it may stand in an element.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // No XML can hold them.
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

/// Reads an answer.
pub(super) fn parse(text: &str) -> Result<Element, XmlError> {
    let syntax = |error: quick_xml::Error| XmlError::Syntax(error.to_string());
    let mut reader = NsReader::from_str(text);
    // The document itself, whose only child is the root element.
    let mut open = vec![Element::default()];
    let mut elements = 0;
    loop {
        let event = reader.read_event().map_err(syntax)?;
        if elements > ELEMENTS_MAX || open.len() > DEPTH_MAX {
            return Err(XmlError::TooLarge);
        }
        match event {
            Event::Start(start) => {
                elements += 1;
                open.push(element(&reader, &start)?);
            }
            Event::Empty(start) => {
                elements += 1;
                close(&mut open, element(&reader, &start)?);
            }
            Event::End(_) => {
                if let Some(done) = open.pop() {
                    close(&mut open, done);
                }
            }
            Event::Text(text) => write(&mut open, &text.xml10_content()),
            Event::CData(text) => write(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                let whole = format!("&{};", reference.as_ref());
                write(&mut open, &quick_xml::escape::unescape(&whole).unwrap_or(whole.as_str().into()));
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(document), true) => document.children.into_iter().next().ok_or(XmlError::Empty),
        _ => Err(XmlError::Syntax("it ends too early".to_owned())),
    }
}

fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<Element, XmlError> {
    let syntax = |error: String| XmlError::Syntax(error);
    let mut found = Element { name: start.local_name().into_inner().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| syntax(error.to_string()))?;
        let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
        if name.into_inner() != "type" {
            continue;
        }
        let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).map_err(|error| syntax(error.to_string()))?;
        match namespace {
            ResolveResult::Unbound => found.kind = Some(value.into_owned()),
            ResolveResult::Bound(Namespace(SCHEMA_INSTANCE)) => {
                let local = value.rsplit(':').next().unwrap_or_default();
                found.instance_of = Some(local.to_owned());
            }
            _ => {}
        }
    }
    Ok(found)
}

fn close(open: &mut [Element], done: Element) {
    if let Some(parent) = open.last_mut() {
        parent.children.push(done);
    }
}

fn write(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_attributes_called_type_are_told_apart_by_namespace() {
        let text = r#"<r xmlns:XMLSchema-instance="http://www.w3.org/2001/XMLSchema-instance" xmlns:o="urn:other">
            <a XMLSchema-instance:type="vim25:Sub" type="HostSystem" o:type="no">host-1</a><b/><c>x &amp; <![CDATA[<y>]]></c></r>"#;
        let root = parse(text).unwrap();
        let a = root.child("a").unwrap();
        assert_eq!((a.kind.as_deref(), a.instance_of.as_deref(), a.value()), (Some("HostSystem"), Some("Sub"), Some("host-1")));
        assert_eq!(root.child("b").unwrap().value(), None);
        assert_eq!(root.text_at(&["c"]), Some("x & <y>"));
    }

    #[test]
    fn what_is_no_xml_or_too_deep_is_an_error() {
        for text in ["", "<a>", "no", "<a></b>", "<a/", &"<a>".repeat(DEPTH_MAX * 2)] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse(&format!("{}{}", "<a>".repeat(200), "</a>".repeat(200))), Err(XmlError::TooLarge));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = "a<b>&\"c'\u{1}\u{e4}";
        let root = parse(&format!("<r>{}</r>", escaped(text))).unwrap();
        assert_eq!(root.text, "a<b>&\"c'\u{fffd}\u{e4}");
    }
}
