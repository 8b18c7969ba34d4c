package config

import (
	"strings"
	"time"
)

var kafkaKeys = []field[Kafka]{
	{key: "brokers", read: func(v value, k *Kafka) { v.brokers(&k.Brokers) }},
	{key: "group", read: func(v value, k *Kafka) { v.name(&k.Group) }},
	{key: "client_id", read: func(v value, k *Kafka) { v.name(&k.ClientID) }},
	{key: "isolation", read: func(v value, k *Kafka) { v.oneOf(&k.Isolation, "read_committed", "read_uncommitted") }},
	{key: "start", read: func(v value, k *Kafka) { v.start(&k.Start) }},
	{key: "dead_letter_topic", read: func(v value, k *Kafka) { v.topic(&k.DeadLetterTopic) }},
	{key: "tls", read: func(v value, k *Kafka) { v.tls(&k.TLS) }},
	{key: "sasl", read: func(v value, k *Kafka) { v.sasl(&k.SASL) }},
	{key: "session_timeout", read: func(v value, k *Kafka) { v.duration(&k.SessionTimeout, 6*time.Second, 30*time.Minute) }},
}

func (v value) kafka(to *Kafka) {
	object(v, kafkaKeys, to)
	if v.n.kind == mapping {
		v.r.require(v.path, "brokers", "a list of host:port")
	}
	v.readable(to)
}

// readable refuses a password that is sent as it is without TLS, unless the file says so.
func (v value) readable(k *Kafka) {
	sasl := join(v.path, "sasl")
	if k.SASL == nil || k.SASL.Mechanism != "PLAIN" || v.r.given(join(v.path, "tls")) {
		return
	}
	if k.SASL.Insecure {
		v.r.warn(join(sasl, "insecure"), "the password is sent unencrypted: the network can read it")
		return
	}
	v.r.fail(join(sasl, "mechanism"), "PLAIN sends the password unencrypted: give kafka.tls, or insecure: true here if the network may read it")
}

func (v value) brokers(to *[]string) {
	seen := unique("broker %s")
	v.list("brokers, host:port", func(_ int, item value) {
		var s string
		item.broker(&s)
		seen(item, s)
		*to = append(*to, s)
	})
	if v.n.kind == list && len(*to) == 0 {
		v.fail("no broker where at least one host:port is wanted")
	}
}

// start reads a policy, or the time that stands for the policy timestamp.
func (v value) start(to *Start) {
	const want = "window, earliest, latest or a time such as 2026-11-22T10:00:00Z"
	if !v.scalar() {
		v.want(want)
		return
	}
	policies := []string{"window", "earliest", "latest"}
	for _, p := range policies {
		if v.n.text == p {
			*to = Start{Policy: p}
			return
		}
	}
	t, err := time.Parse(time.RFC3339, v.n.text)
	if err != nil {
		v.fail("%s where %s is wanted%s", v.n, want, suggestion(v.n.text, policies))
		return
	}
	*to = Start{Policy: "timestamp", Time: t.UTC()}
}

var tlsKeys = []field[TLS]{
	{key: "ca_file", read: func(v value, t *TLS) { v.expandedFile(&t.CAFile) }},
	{key: "cert_file", read: func(v value, t *TLS) { v.expandedFile(&t.CertFile) }},
	{key: "key_file", read: func(v value, t *TLS) { v.expandedFile(&t.KeyFile) }},
	{key: "server_name", read: func(v value, t *TLS) { v.expanded(&t.ServerName) }},
	{key: "insecure_skip_verify", read: func(v value, t *TLS) { v.boolean(&t.InsecureSkipVerify) }},
}

func (v value) tls(to **TLS) {
	t := new(TLS)
	object(v, tlsKeys, t)
	*to = t
	if t.InsecureSkipVerify {
		v.r.warn(join(v.path, "insecure_skip_verify"), "the brokers' certificate is not verified: whoever is in between reads and changes everything")
	}
	cert, key := join(v.path, "cert_file"), join(v.path, "key_file")
	switch {
	case v.r.given(cert) && !v.r.given(key):
		v.r.fail(cert, "needs key_file, too")
	case v.r.given(key) && !v.r.given(cert):
		v.r.fail(key, "needs cert_file, too")
	}
}

var saslKeys = []field[SASL]{
	{key: "mechanism", read: func(v value, s *SASL) { v.mechanism(&s.Mechanism) }},
	{key: "username", read: func(v value, s *SASL) { v.expanded(&s.Username) }},
	{key: "password", read: func(v value, s *SASL) { v.expanded(&s.Password) }},
	{key: "password_file", read: func(v value, s *SASL) { v.expandedFile(&s.PasswordFile) }},
	{key: "insecure", read: func(v value, s *SASL) { v.boolean(&s.Insecure) }},
}

// mechanism reads the name in either case.
func (v value) mechanism(to *string) {
	upper := value{v.r, &node{kind: v.n.kind, at: v.n.at, text: strings.ToUpper(v.n.text)}, v.path}
	upper.oneOf(to, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
}

func (v value) sasl(to **SASL) {
	s := new(SASL)
	object(v, saslKeys, s)
	*to = s
	if v.n.kind != mapping {
		return
	}
	v.r.require(v.path, "mechanism", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
	v.r.require(v.path, "username", "text, or ${NAME} of the environment")
	file := join(v.path, "password_file")
	switch password := v.r.given(join(v.path, "password")); {
	case password && v.r.given(file):
		v.r.fail(file, "is one too many: give either password or password_file")
	case !password && !v.r.given(file):
		v.r.fail(join(v.path, "password"), "is required: text or ${NAME} of the environment, or give password_file")
	}
}
