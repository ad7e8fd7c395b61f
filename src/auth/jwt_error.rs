//! Why a token of an issuer is not accepted.

/// What is wrong with a JWT. No variant holds anything of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// No JWT in compact form, or one with critical headers that nobody here knows.
    #[error("it is not a signed JWT")]
    Malformed,
    /// Not among those that the tenant allows; `none` and the HMACs never are.
    #[error("its algorithm is not allowed here")]
    Algorithm,
    /// The issuer has no such key.
    #[error("the issuer has no key of its kid")]
    Key,
    /// The keys have not been read yet, or will be read again, after so many seconds.
    #[error("the keys of the issuer are not at hand yet; try again")]
    NoKeys(u64),
    /// Somebody else made it, or changed it.
    #[error("its signature is wrong")]
    Signature,
    /// Another issuer.
    #[error("its issuer is not the tenant's")]
    Issuer,
    /// For somebody else.
    #[error("its audience is not this bridge")]
    Audience,
    /// No end, or one that has passed.
    #[error("it has expired, or does not say when it does")]
    Expired,
    /// It begins later, or was issued later than now.
    #[error("it is not valid yet")]
    NotYet,
    /// A claim that must have a value has another one.
    #[error("one of its claims is not what the tenant asks for")]
    Claim,
    /// No scope or role that means anything here.
    #[error("it has none of the scopes or roles that the tenant asks for")]
    Scope,
}
