//! XML as a small tree, enough to look a few things up in libvirt's documents. Pure; bounded in depth and size.

use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};

/// libvirt's own documents are about ten deep; metadata of others may be deeper.
const DEPTH_MAX: usize = 100;
/// Elements in a document. A large VM has a few hundred.
const ELEMENTS_MAX: usize = 100_000;

/// Why a document is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum XmlError {
    #[error("it is no XML: {0}")]
    Syntax(String),
    #[error("it is larger than any document of libvirt")]
    TooLarge,
    #[error("it has no root element")]
    Empty,
}

/// An element with all that is in it.
#[derive(Debug, Default)]
pub(super) struct Element {
    namespace: Option<String>,
    name: String,
    attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    /// The text directly in it.
    pub(super) text: String,
}

impl Element {
    /// Whether it is this element without a namespace, as libvirt's own are.
    pub(super) fn is(&self, name: &str) -> bool {
        self.namespace.is_none() && self.name == name
    }
    pub(super) fn is_in(&self, namespace: &str, name: &str) -> bool {
        self.namespace.as_deref() == Some(namespace) && self.name == name
    }
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.is(name))
    }
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(name))
    }
    /// The element reached by going down these names.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }
    /// An attribute of the element reached by going down these names.
    pub(super) fn attribute_at(&self, path: &[&str], name: &str) -> Option<&str> {
        self.at(path)?.attribute(name)
    }
    pub(super) fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).map(|element| element.text.trim()).filter(|text| !text.is_empty())
    }
}

/// Reads a document.
pub(super) fn parse(text: &str) -> Result<Element, XmlError> {
    let syntax = |error: quick_xml::Error| XmlError::Syntax(error.to_string());
    let mut reader = NsReader::from_str(text);
    // The document itself, whose only child is the root element.
    let mut open = vec![Element::default()];
    let mut elements = 0;
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(syntax)?;
        let namespace = match namespace {
            ResolveResult::Bound(Namespace(name)) => Some(name.to_owned()),
            ResolveResult::Unbound => None,
            ResolveResult::Unknown(prefix) => Some(prefix),
        };
        match event {
            Event::Start(start) => {
                elements += 1;
                if open.len() > DEPTH_MAX || elements > ELEMENTS_MAX {
                    return Err(XmlError::TooLarge);
                }
                open.push(element(namespace, &start)?);
            }
            Event::Empty(start) => {
                elements += 1;
                if elements > ELEMENTS_MAX {
                    return Err(XmlError::TooLarge);
                }
                add(&mut open, element(namespace, &start)?);
            }
            Event::End(_) => {
                if let Some(done) = open.pop() {
                    add(&mut open, done);
                }
            }
            Event::Text(text) => add_text(&mut open, &text.xml10_content()),
            Event::CData(text) => add_text(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                let whole = format!("&{};", reference.as_ref());
                // An entity that only a DTD could explain is kept as it stands.
                add_text(&mut open, &quick_xml::escape::unescape(&whole).unwrap_or(whole.as_str().into()));
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

fn element(namespace: Option<String>, start: &BytesStart<'_>) -> Result<Element, XmlError> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| XmlError::Syntax(error.to_string()))?;
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .map_err(|error| XmlError::Syntax(error.to_string()))?;
        attributes.push((attribute.key.into_inner().to_owned(), value.into_owned()));
    }
    let name = start.local_name().into_inner().to_owned();
    Ok(Element { namespace, name, attributes, ..Element::default() })
}

fn add(open: &mut [Element], done: Element) {
    if let Some(parent) = open.last_mut() {
        parent.children.push(done);
    }
}

fn add_text(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}
