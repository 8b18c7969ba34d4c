package consumer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/streammon/streammon/internal/testkafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	kgoplain "github.com/twmb/franz-go/pkg/sasl/plain"
)

func mechanism(t *testing.T, name, password string) sasl.Mechanism {
	t.Helper()
	m, err := SASLMechanism(name, testkafka.User, password)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSASL(t *testing.T) {
	for _, name := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(name, func(t *testing.T) {
			_, b := testkafka.Fake(t, kfake.EnableSASL(), kfake.SeedTopics(1, "t"),
				kfake.Superuser(name, testkafka.User, testkafka.Password), kfake.Superuser("PLAIN", "producer", "secret"))
			client := b.Client(t, kgo.SASL(kgoplain.Auth{User: "producer", Pass: "secret"}.AsMechanism()))
			testkafka.Produce(t, client, numbered("t", 0, 0, 5)...)
			cfg := quick(b, "t")
			cfg.SASL, cfg.Group = mechanism(t, name, testkafka.Password), "g"
			r := start(t, cfg, newCollector())
			r.got.waitTotal(t, 5)
			eventually(t, "ownership", r.Owner)

			cfg.SASL = mechanism(t, name, "wrong")
			r = start(t, cfg, newCollector())
			eventually(t, "the true cause is shown", func() bool { return strings.Contains(r.Status().Error, "SASL") })
			if err := Probe(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "SASL") {
				t.Errorf("Probe gave %v", err)
			}
		})
	}
	if _, err := SASLMechanism("GSSAPI", "", ""); err == nil || !strings.Contains(err.Error(), "PLAIN") {
		t.Errorf("unknown mechanism: %v", err)
	}
}

// A broker that asks for more iterations than any has is told so before they are computed: it would keep a
// core busy for an hour at each connection, which nothing ends.
func TestSCRAMIterations(t *testing.T) {
	for _, c := range []struct {
		ask, want string
	}{
		{"2000000000", "2000000000 iterations"}, {"1000001", "1000001 iterations"}, {"+2000000000", "iterations"}, {"99999999999999999999", "iterations"},
		{"16384", ""}, {"1", "too few"},
	} {
		for _, name := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			session, first, err := mechanism(t, name, testkafka.Password).Start(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, nonce, _ := strings.Cut(string(first), "r=")
			failed := make(chan error, 1)
			go func() {
				_, _, err := session.Next(t.Context(), []byte("r="+nonce+"server,s=QSXCR+Q6sek8bf92,i="+c.ask))
				failed <- err
			}()
			select {
			case err = <-failed:
			case <-time.After(patient):
				t.Fatalf("%s: %s iterations are computed", name, c.ask)
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s: %s iterations: %v, want %q", name, c.ask, err, c.want)
			}
		}
	}
}

// Run ends at once though the broker asks for two milliards of iterations, and says what is wrong.
func TestSCRAMFlood(t *testing.T) {
	_, b, m := testkafka.Meddled(t, kfake.EnableSASL(), kfake.SeedTopics(1, "t"), kfake.Superuser("SCRAM-SHA-256", testkafka.User, testkafka.Password))
	m.Set(func(a *testkafka.Answer) {
		if a.Key() == kmsg.SASLAuthenticate {
			a.Change(func(res kmsg.Response) {
				r := res.(*kmsg.SASLAuthenticateResponse)
				if before, _, ok := strings.Cut(string(r.SASLAuthBytes), ",i="); ok {
					r.SASLAuthBytes = []byte(before + ",i=2000000000")
				}
			})
		}
	})
	cfg := quick(b, "t")
	cfg.SASL = mechanism(t, "SCRAM-SHA-256", testkafka.Password)
	r := start(t, cfg, newCollector())
	eventually(t, "the true cause is shown", func() bool { return strings.Contains(r.Status().Error, "2000000000 iterations") })
	if took := r.stop(t); took > 10*time.Second {
		t.Errorf("the end took %v", took)
	}
}

// certificate writes a self-signed certificate for 127.0.0.1, which also serves as
// the authority and as the client's, and returns the paths of it and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", encoded)
}

func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	ours, err := TLSConfig(cert, cert, key, "", false)
	if err != nil {
		t.Fatal(err)
	}
	server := &tls.Config{Certificates: ours.Certificates, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.RootCAs}
	_, b := testkafka.Fake(t, kfake.TLS(server), kfake.SeedTopics(1, "t"))
	testkafka.Produce(t, b.Client(t, kgo.DialTLSConfig(ours.Clone())), numbered("t", 0, 0, 5)...)
	cfg := quick(b, "t")
	cfg.TLS, cfg.Group = ours, "g"
	r := start(t, cfg, newCollector())
	r.got.waitTotal(t, 5)
	eventually(t, "ownership", r.Owner)

	insecure, _ := TLSConfig("", cert, key, "", true)
	noAuthority, _ := TLSConfig("", cert, key, "", false)
	noCertificate, _ := TLSConfig(cert, "", "", "", false)
	otherName, _ := TLSConfig(cert, cert, key, "elsewhere", false)
	for _, c := range []struct {
		name, want string
		tls        *tls.Config
	}{
		{"insecure", "", insecure},
		{"no authority", "unknown authority", noAuthority},
		{"no certificate", "certificate required", noCertificate},
		{"other name", "elsewhere", otherName},
		{"no TLS", "want TLS", nil},
	} {
		cfg.TLS = c.tls
		err := Probe(t.Context(), cfg)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestTLSConfigErrors(t *testing.T) {
	cert, key := certificate(t)
	for name, c := range map[string]struct{ ca, cert, key, want string }{
		"missing file":        {ca: "/no/such/file", want: "/no/such/file"},
		"no certificate":      {ca: key, want: key},
		"certificate alone":   {cert: cert, want: "key"},
		"key and certificate": {cert: key, key: cert, want: key},
	} {
		if _, err := TLSConfig(c.ca, c.cert, c.key, "", false); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every listener of a real broker takes us in, and tells what is wrong.
func TestSecureListeners(t *testing.T) {
	testkafka.Real(t, func(t *testing.T, b testkafka.Broker) {
		b.Secure(t, testkafka.SASL)
		topic := b.CreateTopic(t, 1, nil)
		testkafka.Produce(t, b.Client(t), numbered(topic, 0, 0, 5)...)
		plain, err := TLSConfig(b.Certificate("ca.pem"), "", "", "", false)
		if err != nil {
			t.Fatal(err)
		}
		mutual, err := TLSConfig(b.Certificate("ca.pem"), b.Certificate("client.pem"), b.Certificate("client.key"), "", false)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name      string
			listener  testkafka.Listener
			tls       *tls.Config
			mechanism string
			password  string
			ok        bool
		}{
			{"PLAIN", testkafka.SASL, nil, "PLAIN", testkafka.Password, true},
			{"SCRAM-SHA-256", testkafka.SASL, nil, "SCRAM-SHA-256", testkafka.Password, true},
			{"SCRAM-SHA-512", testkafka.SASL, nil, "SCRAM-SHA-512", testkafka.Password, true},
			{"TLS", testkafka.TLS, plain, "", "", true},
			{"mTLS", testkafka.MTLS, mutual, "", "", true},
			{"PLAIN over TLS", testkafka.SASLTLS, plain, "PLAIN", testkafka.Password, true},
			{"SCRAM over TLS", testkafka.SASLTLS, plain, "SCRAM-SHA-512", testkafka.Password, true},
			{"wrong password", testkafka.SASL, nil, "PLAIN", "wrong", false},
			{"wrong SCRAM password", testkafka.SASL, nil, "SCRAM-SHA-256", "wrong", false},
			{"no certificate", testkafka.MTLS, plain, "", "", false},
			{"no authority", testkafka.TLS, &tls.Config{}, "", "", false},
			{"no TLS", testkafka.TLS, nil, "", "", false},
			{"no SASL", testkafka.SASL, nil, "", "", false},
		} {
			t.Run(c.name, func(t *testing.T) {
				cfg := quick(b, topic)
				cfg.Brokers, cfg.TLS, cfg.Group = []string{b.Secure(t, c.listener)}, c.tls, testkafka.Name(t)
				if c.mechanism != "" {
					cfg.SASL = mechanism(t, c.mechanism, c.password)
				}
				ctx, cancel := context.WithTimeout(t.Context(), patient)
				defer cancel()
				if err := Probe(ctx, cfg); (err == nil) != c.ok {
					t.Fatalf("Probe gave %v", err)
				} else if err != nil {
					t.Logf("the cause: %v", err)
					return
				}
				r := start(t, cfg, newCollector())
				r.got.waitTotal(t, 5)
				eventually(t, "ownership", r.Owner)
			})
		}
	})
}
