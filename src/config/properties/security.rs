//! Kafka's properties of TLS, SASL, delegation tokens and principals. None has an effect in this
//! release, whose listeners are PLAINTEXT; they are here so that files which set them are read, checked
//! and described.

use super::super::property::{
    Check, Property, boolean, class, double, int, list, long, password, short, string,
};
use super::SECURITY;

const ALGORITHMS: &[&str] = &["ES256", "RS256"];

#[rustfmt::skip] // one property per two lines reads as a table
pub(super) const TABLE: &[Property] = &[
    // -- TLS
    boolean("ssl.allow.dn.changes").default("false").low().later(SECURITY)
        .doc("Whether a new certificate may have another distinguished name."),
    boolean("ssl.allow.san.changes").default("false").low().later(SECURITY)
        .doc("Whether a new certificate may have other subject alternative names."),
    list("ssl.cipher.suites").default("").per_broker().later(SECURITY)
        .doc("The cipher suites to offer; empty leaves it to the library."),
    string("ssl.client.auth").default("none").one_of(&["required", "requested", "none"]).per_broker().later(SECURITY)
        .doc("Whether clients must, may or need not show a certificate."),
    list("ssl.enabled.protocols").default("TLSv1.2,TLSv1.3").per_broker().later(SECURITY)
        .doc("The versions of TLS to accept."),
    string("ssl.endpoint.identification.algorithm").default("https").low().per_broker().later(SECURITY)
        .doc("How a server's name is held against its certificate; empty does not."),
    class("ssl.engine.factory.class").low().per_broker().later(SECURITY)
        .doc("The Java class that makes TLS engines."),
    password("ssl.key.password").per_broker().later(SECURITY)
        .doc("What the private key is encrypted with."),
    string("ssl.keymanager.algorithm").default("SunX509").per_broker().later(SECURITY)
        .doc("Java's algorithm to choose a key."),
    password("ssl.keystore.certificate.chain").per_broker().later(SECURITY)
        .doc("The certificate chain as PEM."),
    password("ssl.keystore.key").per_broker().later(SECURITY)
        .doc("The private key as PEM."),
    string("ssl.keystore.location").per_broker().later(SECURITY)
        .doc("The file with private key and certificate."),
    password("ssl.keystore.password").per_broker().later(SECURITY)
        .doc("What that file is encrypted with."),
    string("ssl.keystore.type").default("JKS").per_broker().later(SECURITY)
        .doc("The format of that file: JKS, PKCS12, PEM."),
    string("ssl.principal.mapping.rules").default("DEFAULT").low().later(SECURITY)
        .doc("How a distinguished name becomes a user's name."),
    string("ssl.protocol").default("TLSv1.3").per_broker().later(SECURITY)
        .doc("The protocol that a TLS context is made for."),
    string("ssl.provider").per_broker().later(SECURITY)
        .doc("The Java security provider for TLS."),
    string("ssl.secure.random.implementation").low().per_broker().later(SECURITY)
        .doc("Java's source of randomness for TLS."),
    string("ssl.trustmanager.algorithm").default("PKIX").per_broker().later(SECURITY)
        .doc("Java's algorithm to judge a certificate."),
    password("ssl.truststore.certificates").per_broker().later(SECURITY)
        .doc("The trusted certificates as PEM."),
    string("ssl.truststore.location").per_broker().later(SECURITY)
        .doc("The file with trusted certificates."),
    password("ssl.truststore.password").per_broker().later(SECURITY)
        .doc("What guards that file."),
    string("ssl.truststore.type").default("JKS").per_broker().later(SECURITY)
        .doc("The format of that file: JKS, PKCS12, PEM."),
    // -- SASL
    class("sasl.client.callback.handler.class").later(SECURITY)
        .doc("The Java class that answers a SASL client's questions."),
    list("sasl.enabled.mechanisms").default("GSSAPI").per_broker().later(SECURITY)
        .doc("The SASL mechanisms that clients may use."),
    password("sasl.jaas.config").per_broker().later(SECURITY)
        .doc("The login of a listener and mechanism, as a line of Java's JAAS."),
    string("sasl.kerberos.kinit.cmd").default("/usr/bin/kinit").per_broker().later(SECURITY)
        .doc("The program that renews Kerberos tickets."),
    long("sasl.kerberos.min.time.before.relogin").default("60000").per_broker().later(SECURITY)
        .doc("The pause between attempts to renew a ticket, in milliseconds."),
    list("sasl.kerberos.principal.to.local.rules").default("DEFAULT").per_broker().later(SECURITY)
        .doc("How a Kerberos principal becomes a user's name."),
    string("sasl.kerberos.service.name").per_broker().later(SECURITY)
        .doc("The Kerberos name that brokers run under."),
    double("sasl.kerberos.ticket.renew.jitter").default("0.05").per_broker().later(SECURITY)
        .doc("The share of chance in the time of a ticket's renewal."),
    double("sasl.kerberos.ticket.renew.window.factor").default("0.8").per_broker().later(SECURITY)
        .doc("The share of a ticket's life after which it is renewed."),
    class("sasl.login.callback.handler.class").later(SECURITY)
        .doc("The Java class that answers a login's questions."),
    class("sasl.login.class").later(SECURITY)
        .doc("The Java class that logs in."),
    int("sasl.login.connect.timeout.ms").low().later(SECURITY)
        .doc("How long connecting to an identity provider may take."),
    int("sasl.login.read.timeout.ms").low().later(SECURITY)
        .doc("How long an identity provider's answer may take."),
    short("sasl.login.refresh.buffer.seconds").default("300").per_broker().later(SECURITY)
        .doc("The time that a token must still have when it is refreshed."),
    short("sasl.login.refresh.min.period.seconds").default("60").per_broker().later(SECURITY)
        .doc("The least time between refreshes of a token."),
    double("sasl.login.refresh.window.factor").default("0.8").per_broker().later(SECURITY)
        .doc("The share of a token's life after which it is refreshed."),
    double("sasl.login.refresh.window.jitter").default("0.05").per_broker().later(SECURITY)
        .doc("The share of chance in the time of a token's refresh."),
    long("sasl.login.retry.backoff.max.ms").default("10000").low().later(SECURITY)
        .doc("The longest pause between logins."),
    long("sasl.login.retry.backoff.ms").default("100").low().later(SECURITY)
        .doc("The first pause between logins."),
    string("sasl.mechanism.controller.protocol").default("GSSAPI").high().later(SECURITY)
        .doc("The SASL mechanism towards controllers."),
    string("sasl.mechanism.inter.broker.protocol").default("GSSAPI").per_broker().later(SECURITY)
        .doc("The SASL mechanism between brokers."),
    class("sasl.server.callback.handler.class").later(SECURITY)
        .doc("The Java class that answers a SASL server's questions."),
    int("sasl.server.max.receive.size").default("524288").later(SECURITY)
        .doc("The largest message before a client is authenticated, in bytes."),
    // -- OAuth
    string("sasl.oauthbearer.assertion.algorithm").default("RS256").check(Check::OneOfAnyCase(ALGORITHMS)).later(SECURITY)
        .doc("The signature of a JWT assertion."),
    string("sasl.oauthbearer.assertion.claim.aud").later(SECURITY)
        .doc("The audience of a JWT assertion."),
    int("sasl.oauthbearer.assertion.claim.exp.seconds").default("300").between(0, 86_400).low().later(SECURITY)
        .doc("How long a JWT assertion is valid."),
    string("sasl.oauthbearer.assertion.claim.iss").later(SECURITY)
        .doc("The issuer of a JWT assertion."),
    boolean("sasl.oauthbearer.assertion.claim.jti.include").default("false").later(SECURITY)
        .doc("Whether a JWT assertion has an id."),
    int("sasl.oauthbearer.assertion.claim.nbf.seconds").default("60").between(0, 3600).low().later(SECURITY)
        .doc("How far back a JWT assertion is valid."),
    string("sasl.oauthbearer.assertion.claim.sub").later(SECURITY)
        .doc("The subject of a JWT assertion."),
    string("sasl.oauthbearer.assertion.file").later(SECURITY)
        .doc("The file with a JWT assertion made beforehand."),
    string("sasl.oauthbearer.assertion.private.key.file").later(SECURITY)
        .doc("The file with the key that signs JWT assertions."),
    password("sasl.oauthbearer.assertion.private.key.passphrase").later(SECURITY)
        .doc("What that key is encrypted with."),
    string("sasl.oauthbearer.assertion.template.file").later(SECURITY)
        .doc("The file with headers and claims of JWT assertions."),
    string("sasl.oauthbearer.client.credentials.client.id").later(SECURITY)
        .doc("The client's id at the identity provider."),
    password("sasl.oauthbearer.client.credentials.client.secret").later(SECURITY)
        .doc("The client's secret at the identity provider."),
    int("sasl.oauthbearer.clock.skew.seconds").default("30").low().later(SECURITY)
        .doc("How far the identity provider's clock may differ."),
    list("sasl.oauthbearer.expected.audience").default("").low().later(SECURITY)
        .doc("The audiences of which a token must have one."),
    string("sasl.oauthbearer.expected.issuer").low().later(SECURITY)
        .doc("Who must have issued a token."),
    long("sasl.oauthbearer.jwks.endpoint.refresh.ms").default("3600000").low().later(SECURITY)
        .doc("How often the identity provider's keys are fetched."),
    long("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms").default("10000").low().later(SECURITY)
        .doc("The longest pause between attempts to fetch keys."),
    long("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms").default("100").low().later(SECURITY)
        .doc("The first pause between attempts to fetch keys."),
    string("sasl.oauthbearer.jwks.endpoint.url").later(SECURITY)
        .doc("Where the identity provider's keys are."),
    class("sasl.oauthbearer.jwt.retriever.class").default("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever").later(SECURITY)
        .doc("The Java class that fetches tokens."),
    class("sasl.oauthbearer.jwt.validator.class").default("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator").later(SECURITY)
        .doc("The Java class that judges tokens."),
    string("sasl.oauthbearer.scope").later(SECURITY)
        .doc("The scope asked of the identity provider."),
    string("sasl.oauthbearer.scope.claim.name").default("scope").low().later(SECURITY)
        .doc("The claim that holds a token's scope."),
    string("sasl.oauthbearer.sub.claim.name").default("sub").low().later(SECURITY)
        .doc("The claim that holds a token's user."),
    string("sasl.oauthbearer.token.endpoint.url").later(SECURITY)
        .doc("Where tokens are asked for."),
    // -- tokens, principals, connections
    long("connections.max.reauth.ms").default("0").later(SECURITY)
        .doc("How long a SASL session lasts before the client must authenticate again; 0 for ever."),
    int("connection.failed.authentication.delay.ms").default("100").at_least(0).low().later(SECURITY)
        .doc("How long a connection stays open after a failed authentication."),
    long("delegation.token.expiry.check.interval.ms").default("3600000").at_least(1).low().later(SECURITY)
        .doc("How often expired delegation tokens are looked for."),
    long("delegation.token.expiry.time.ms").default("86400000").at_least(1).later(SECURITY)
        .doc("How long a delegation token is valid unless it is renewed."),
    long("delegation.token.max.lifetime.ms").default("604800000").at_least(1).later(SECURITY)
        .doc("The longest that a delegation token can be renewed to."),
    password("delegation.token.secret.key").later(SECURITY)
        .doc("What delegation tokens are signed with."),
    list("early.start.listeners").high().later(SECURITY)
        .doc("The listeners that open before authorization is ready."),
    class("principal.builder.class").default("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder").per_broker().later(SECURITY)
        .doc("The Java class that names a connection's user."),
    string("security.providers").low().later(SECURITY)
        .doc("Java classes that make security providers."),
];
