//! The part of the OpenAPI document about one endpoint, from its types.

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, Required};
use utoipa::{IntoParams as _, PartialSchema as _, ToSchema as _};

use super::changes::Changes;
use super::endpoint::{Endpoint, Verb};
use super::idempotency;
use super::refusals::{self, Refusal};

/// The description of one endpoint.
pub(super) struct Described {
    pub(super) summary: &'static str,
    pub(super) parameters: Vec<Parameter>,
    /// Schema of the body, where it has one.
    pub(super) body: Option<RefOr<Schema>>,
    /// Schema of the answer.
    pub(super) answer: RefOr<Schema>,
    /// Statuses and machine codes of its refusals.
    pub(super) refusals: Vec<Refusal>,
    /// Schemas that body and answer refer to.
    pub(super) named: Vec<(String, RefOr<Schema>)>,
}

/// Describes an endpoint; `flag` is the first member of its answers.
pub(super) fn describe<E: Endpoint>(flag: &'static str) -> Described {
    let mut named = Vec::new();
    E::Answer::schemas(&mut named);
    let body = (E::VERB == Verb::Post).then(|| {
        E::Body::schemas(&mut named);
        closed(E::Body::schema())
    });
    Described {
        summary: E::SUMMARY,
        parameters: parameters::<E>(),
        body,
        answer: flagged(E::Answer::schema(), flag, true),
        refusals: refusals::<E>(),
        named,
    }
}

/// All refusals of an endpoint, by status and code.
pub(super) fn refusals<E: Endpoint>() -> Vec<Refusal> {
    let lists = [
        (true, refusals::OF_ALL),
        (E::VERB == Verb::Post, refusals::OF_POST),
        (E::CHANGES != Changes::Nothing, refusals::OF_CHANGES),
        (E::IDEMPOTENT, refusals::OF_KEYS),
        (true, E::REFUSALS),
    ];
    let lists = lists.into_iter().filter(|(applies, _)| *applies);
    let mut refusals: Vec<Refusal> = lists.flat_map(|(_, list)| list.iter().copied()).collect();
    refusals.sort_unstable();
    refusals.dedup();
    refusals
}

/// The parameters in the URL, and the `Idempotency-Key` header of an idempotent endpoint.
fn parameters<E: Endpoint>() -> Vec<Parameter> {
    let mut parameters = E::Query::into_params(|| Some(ParameterIn::Query));
    if E::IDEMPOTENT {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(idempotency::MAX_KEY_CHARS));
        let key = ParameterBuilder::new()
            .name(idempotency::HEADER)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(idempotency::DESCRIPTION))
            .schema(Some(text));
        parameters.push(key.build());
    }
    parameters
}

/// The schema of a body: unknown fields are refused.
fn closed(schema: RefOr<Schema>) -> RefOr<Schema> {
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            object.additional_properties =
                Some(Box::new(utoipa::openapi::schema::AdditionalProperties::FreeForm(false)));
            RefOr::T(Schema::Object(object))
        }
        other => other,
    }
}

/// The schema of an answer with the API's own first member, which says whether the request succeeded.
pub(super) fn flagged(schema: RefOr<Schema>, flag: &str, value: bool) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut object)) = schema else { return schema };
    // No `enum`: generated clients refuse an enumeration of booleans.
    let member = ObjectBuilder::new().schema_type(Type::Boolean).description(Some(if value {
        "Always true."
    } else {
        "Always false."
    }));
    object.properties.insert(flag.to_owned(), member.into());
    object.required.insert(0, flag.to_owned());
    RefOr::T(Schema::Object(object))
}
