//! What is sent: the envelope, references to objects, parameters in the order of the WSDL. And what an answer or a fault is. Pure.

use super::xml::{Element, XmlError, escaped, parse};
use std::fmt;

/// A reference to an object of vSphere: its kind and its id there. Ids are of one endpoint only: an ESXi host has other ones than
/// its vCenter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct MoRef {
    pub(super) kind: String,
    pub(super) id: String,
}

impl MoRef {
    pub(super) fn new(kind: &str, id: &str) -> Self {
        Self { kind: kind.to_owned(), id: id.to_owned() }
    }
    /// That an element holds.
    pub(super) fn of(element: &Element) -> Option<Self> {
        Some(Self { kind: element.kind.clone()?, id: element.value()?.to_owned() })
    }
    /// Those of an array of references.
    pub(super) fn all(array: &Element) -> Vec<Self> {
        array.children.iter().filter_map(Self::of).collect()
    }
}

impl fmt::Display for MoRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// One call: on which object, which method, with what. Parameters must be added in the order of the WSDL.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) this: MoRef,
    pub(super) method: &'static str,
    params: String,
}

impl Call {
    pub(super) fn new(this: &MoRef, method: &'static str) -> Self {
        Self { this: this.clone(), method, params: String::new() }
    }
    pub(super) fn text(mut self, name: &str, value: &str) -> Self {
        text(&mut self.params, name, value);
        self
    }
    pub(super) fn reference(mut self, name: &str, value: &MoRef) -> Self {
        reference(&mut self.params, name, value);
        self
    }
    /// XML made by the functions below.
    pub(super) fn raw(mut self, xml: &str) -> Self {
        self.params.push_str(xml);
        self
    }
    /// As it goes over the wire.
    pub(super) fn envelope(&self, namespace: &str) -> String {
        let Self { this, method, params } = self;
        let (kind, id) = (escaped(&this.kind), escaped(&this.id));
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">\
             <soapenv:Body><{method} xmlns=\"{namespace}\"><_this type=\"{kind}\">{id}</_this>{params}</{method}></soapenv:Body>\
             </soapenv:Envelope>"
        )
    }
}

/// Parameters may be passwords.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.method, self.this)
    }
}

pub(super) fn text(out: &mut String, name: &str, value: &str) {
    out.push_str(&format!("<{name}>{}</{name}>", escaped(value)));
}

pub(super) fn reference(out: &mut String, name: &str, value: &MoRef) {
    out.push_str(&format!("<{name} type=\"{}\">{}</{name}>", escaped(&value.kind), escaped(&value.id)));
}

/// A no from the other side: what kind, and its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The fault's type, e.g. `InvalidPowerState`; empty where it gave none.
    pub(super) kind: String,
    /// Its words for a person.
    pub(super) message: String,
}

/// Characters of a fault's own words that are passed on.
const WORDS_MAX: usize = 300;

impl Fault {
    pub(super) fn new(kind: &str, message: &str) -> Self {
        let plain = message.chars().map(|c| if c.is_control() { ' ' } else { c });
        Self { kind: kind.to_owned(), message: plain.take(WORDS_MAX).collect::<String>().trim().to_owned() }
    }

    /// Of a `LocalizedMethodFault`, as a task's error is.
    pub(super) fn localized(element: &Element) -> Self {
        let kind = element.child("fault").and_then(|fault| fault.instance_of.as_deref()).unwrap_or_default();
        Self::new(kind, element.text_at(&["localizedMessage"]).unwrap_or_default())
    }

    /// One line for a person.
    pub(super) fn words(&self) -> String {
        match (self.kind.as_str(), self.message.as_str()) {
            ("", "") => "it failed and does not say why".to_owned(),
            ("", message) => message.to_owned(),
            (kind, "") => kind.to_owned(),
            (kind, message) => format!("{message} ({kind})"),
        }
    }
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The element `<MethodResponse>`.
    Good(Element),
    Fault(Fault),
}

impl Answer {
    /// Reads the body of an HTTP answer to that method.
    pub(super) fn read(body: &str, method: &str) -> Result<Self, XmlError> {
        let root = parse(body)?;
        let no_soap = || XmlError::Syntax("it is no SOAP".to_owned());
        let body = root.child("Body").filter(|_| root.name == "Envelope").ok_or_else(no_soap)?;
        if let Some(fault) = body.child("Fault") {
            let detail = fault.child("detail").and_then(|detail| detail.children.first());
            // The type, not the element's name: one element may carry any kind of fault.
            let kind = detail.and_then(|detail| detail.instance_of.clone().or_else(|| bare(&detail.name))).unwrap_or_default();
            return Ok(Self::Fault(Fault::new(&kind, fault.text_at(&["faultstring"]).unwrap_or_default())));
        }
        let is_it = |element: &Element| element.name.strip_suffix("Response") == Some(method);
        body.children.iter().find(|element| is_it(element)).map(|found| Self::Good(found.clone())).ok_or_else(no_soap)
    }
}

fn bare(name: &str) -> Option<String> {
    name.strip_suffix("Fault").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(body: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><s:Body>{body}</s:Body></s:Envelope>"
        )
    }

    #[test]
    fn a_fault_is_known_by_its_type_not_by_its_element() {
        let fault = |detail: &str| {
            let body = format!(
                "<s:Fault><faultcode>ServerFaultCode</faultcode><faultstring>no\nway</faultstring><detail>{detail}</detail></s:Fault>"
            );
            match Answer::read(&envelope(&body), "PowerOffVM_Task") {
                Ok(Answer::Fault(fault)) => fault,
                other => panic!("{other:?}"),
            }
        };
        let typed = fault("<Fault i:type=\"v:InvalidPowerState\" xmlns:v=\"urn:vim25\"/>");
        assert_eq!((typed.kind.as_str(), typed.words().as_str()), ("InvalidPowerState", "no way (InvalidPowerState)"));
        assert_eq!(fault("<TaskInProgressFault/>").kind, "TaskInProgress");
        assert_eq!(fault("").words(), "no way");
    }

    #[test]
    fn only_the_answer_to_the_method_counts() {
        let good = envelope("<LoginResponse xmlns=\"urn:vim25\"><returnval>x</returnval></LoginResponse>");
        assert!(
            matches!(Answer::read(&good, "Login"), Ok(Answer::Good(element)) if element.text_at(&["returnval"]) == Some("x"))
        );
        assert!(Answer::read(&good, "Logout").is_err());
        assert!(Answer::read("<html>busy</html>", "Login").is_err());
    }

    #[test]
    fn a_password_is_escaped_in_the_envelope_and_shown_nowhere() {
        let call = Call::new(&MoRef::new("SessionManager", "SM"), "Login").text("password", "a<b>&\"c");
        assert!(call.envelope("urn:vim25").contains("<password>a&lt;b&gt;&amp;&quot;c</password>"));
        assert_eq!(format!("{call:?}"), "Login of SM");
    }
}
