package faults

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/testkafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// canary is the secrets of a program, and the folder that it writes to.
type canary struct {
	dir     string
	secrets map[string]string // by what they are
	looked  int
}

func newCanary(t *testing.T, name string) *canary {
	return &canary{dir: t.TempDir(), secrets: map[string]string{"password": "c4n4ry&<" + name + ">+" + rand.Text()}}
}

func (c *canary) password() string { return c.secrets["password"] }

// look fails if a text holds a secret in any form.
func (c *canary) look(t *testing.T, where, text string) {
	t.Helper()
	c.looked++
	for what, secret := range c.secrets {
		for _, form := range []string{
			secret, url.QueryEscape(secret), hex.EncodeToString([]byte(secret)),
			strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "="),
			strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]"),
		} {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("%s shows the %s: %s", where, what, text[max(0, i-200):min(len(text), i+len(form)+50)])
			}
		}
		if i := strings.Index(text, secret[len(secret)-20:]); i >= 0 {
			t.Errorf("%s shows a part of the %s: %s", where, what, text[max(0, i-200):i+20])
		}
	}
}

// folder looks at all files but those that the test made.
func (c *canary) folder(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(c.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "own.") {
			return err
		}
		data, err := os.ReadFile(name)
		c.look(t, d.Name(), string(data))
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func (c *canary) write(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(c.dir, "own."+name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// certificate writes a certificate for 127.0.0.1 and its key, whose content is a secret from now on.
func (c *canary) certificate(t *testing.T) (cert, key string) {
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
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
	c.secrets["key"] = strings.Split(text, "\n")[2] // the first line is the same for all keys of a kind
	return c.write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))), c.write(t, "client.key", text)
}

// config writes a config.
func (c *canary) config(t *testing.T, broker, tls, sasl, more string) string {
	t.Helper()
	return c.write(t, "config.yaml", fmt.Sprintf(`kafka:
  brokers: ["%s"]
  start: earliest
  client_id: canary
%s%s%sstate: {dir: %s, save_interval: 1s}
windows: [1m]
models: [{name: m, topics: {predictions: p}, features: {a: numeric}}]
`, broker, tls, sasl, more, filepath.Join(c.dir, "state")))
}

var pages = []string{"/", "/status", "/model?name=m", "/model?name=m&tab=data", "/feature?name=m&feature=a", "/feature?name=m&feature=email", "/feature?name=m&feature=card", "/metrics", "/-/ready", "/-/healthy", "/api/v1/models", "/api/v1/status", "/api/v1/models/m/windows/1m", "/nowhere", "/debug/pprof/"}

// pages looks at all pages, and at the log so far.
func (c *canary) pages(t *testing.T, p *program) {
	t.Helper()
	for _, page := range pages {
		status, body := p.get(page)
		if status == 0 {
			t.Errorf("%s: %s", page, body)
		}
		c.look(t, page, body)
	}
	c.look(t, "the log", p.log.String())
}

// command looks at all that a command says until it ends, and returns it.
func (c *canary) command(t *testing.T, env []string, args ...string) string {
	t.Helper()
	p := start(t, env, args...)
	_ = p.wait(t, time.Minute)
	c.look(t, strings.Join(args, " "), p.log.String())
	return p.log.String()
}

// TestSecrets gives the program passwords and keys in every way, to brokers that take them and that
// do not, and looks for them in all that it says and writes.
func TestSecrets(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	for _, way := range []string{"environment", "text", "file"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			testSecret(t, way)
		})
	}
}

func testSecret(t *testing.T, way string) {
	c := newCanary(t, way)
	cert, key := c.certificate(t)
	var env []string
	password := "\"${CANARY_PASSWORD}\""
	name, letters := "password", "  dead_letter_topic: letters\n"
	mechanism := "SCRAM-SHA-512"
	switch way {
	case "environment":
		env = append(env, "CANARY_PASSWORD="+c.password())
		letters = "dead_letters: {file: " + filepath.Join(c.dir, "letters.jsonl") + "}\n"
	case "text":
		password, mechanism = "'"+c.password()+"'", "PLAIN"
	case "file":
		name, password = "password_file", c.write(t, "password", c.password()+"\n")
	}
	sasl := "  sasl: {mechanism: " + mechanism + ", username: user, " + name + ": " + password + "}\n"
	encrypted := fmt.Sprintf("  tls: {ca_file: %s, cert_file: %s, key_file: %s}\n", cert, cert, key)

	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(pair.Leaf)
	server := &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots}
	_, b := testkafka.Fake(t, kfake.TLS(server), kfake.EnableSASL(), kfake.SeedTopics(1, "p", "letters"), kfake.Superuser(mechanism, "user", c.password()))
	login := kgo.SASL(scram.Auth{User: "user", Pass: c.password()}.AsSha512Mechanism())
	if mechanism == "PLAIN" {
		login = kgo.SASL(plain.Auth{User: "user", Pass: c.password()}.AsMechanism())
	}
	client := b.Client(t, kgo.DialTLSConfig(&tls.Config{Certificates: server.Certificates, RootCAs: roots}), login, kgo.ConsumeTopics("letters"))
	for i := range 100 {
		testkafka.Produce(t, client, &kgo.Record{Topic: "p", Value: fmt.Appendf(nil, `{"id":"%d","time":%d,"model":"m","features":{"a":1}}`, i, time.Now().UnixMilli())})
	}
	testkafka.Produce(t, client, &kgo.Record{Topic: "p", Value: []byte(`{"broken`)})

	// It works, and says nothing.
	good := c.config(t, b.Bootstrap[0], encrypted, sasl, letters)
	c.command(t, env, "check", good)
	p := run(t, env, "--config.file="+good, "--log.level=debug", "--results="+filepath.Join(c.dir, "results.jsonl"))
	p.awaitReady(t, 20*time.Second)
	await(t, 20*time.Second, "a dead letter and saves", func() bool {
		n, _ := p.metric("streammon_state_saves_total", "")
		written, _ := p.metric("streammon_dead_letters_total", "")
		return n >= 2 && written == 1
	})
	c.pages(t, p)
	p.terminate(t)
	c.look(t, "the log", p.log.String())
	if strings.Contains(p.log.String(), key) {
		t.Error("the log names the file of the key though nothing is wrong with it")
	}
	if way != "environment" {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		records := client.PollFetches(ctx).Records()
		if len(records) != 1 {
			t.Fatalf("%d dead letters", len(records))
		}
		c.look(t, "the dead letter", fmt.Sprintf("%s %s %s", records[0].Key, records[0].Value, records[0].Headers))
	}
	c.command(t, env, "state", "show", filepath.Join(c.dir, "state"))
	c.command(t, env, "state", "verify", filepath.Join(c.dir, "state"))
	c.folder(t)

	// It does not, for one reason or another.
	_, otherWord := testkafka.Fake(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "user", "another"))
	_, noTLS := testkafka.Fake(t, kfake.SeedTopics(1, "p"))
	closed := freePort(t)
	insecure := strings.Replace(sasl, "}\n", ", insecure: true}\n", 1)
	if way == "environment" {
		insecure = strings.Replace(sasl, "}\"}\n", "}\", insecure: true}\n", 1)
	}
	for what, config := range map[string]func() string{
		"wrong credentials": func() string { return c.config(t, otherWord.Bootstrap[0], "", insecure, letters) },
		"no SASL wanted":    func() string { return c.config(t, noTLS.Bootstrap[0], "", insecure, letters) },
		"TLS with none":     func() string { return c.config(t, noTLS.Bootstrap[0], encrypted, sasl, letters) },
		"nobody listens":    func() string { return c.config(t, closed, encrypted, sasl, letters) },
		"unknown authority": func() string { return c.config(t, b.Bootstrap[0], "  tls: {}\n", sasl, letters) },
		"no certificate":    func() string { return c.config(t, b.Bootstrap[0], "  tls: {ca_file: "+cert+"}\n", sasl, letters) },
		"certificate for key": func() string {
			return c.config(t, b.Bootstrap[0], strings.Replace(encrypted, "key_file: "+key, "key_file: "+cert, 1), sasl, letters)
		},
		"key for certificate": func() string {
			return c.config(t, b.Bootstrap[0], strings.ReplaceAll(encrypted, cert, key), sasl, letters)
		},
		"readable": func() string { return c.config(t, noTLS.Bootstrap[0], "", sasl, letters) },
		"unknown key": func() string {
			return c.config(t, noTLS.Bootstrap[0], encrypted, strings.Replace(sasl, "password", "pasword", 1), letters)
		},
		"unknown mechanism": func() string {
			return c.config(t, noTLS.Bootstrap[0], encrypted, strings.Replace(sasl, mechanism, "PLANE", 1), letters)
		},
		"list": func() string {
			return c.config(t, noTLS.Bootstrap[0], encrypted, strings.Replace(strings.Replace(sasl, "{", "[", 1), "}\n", "]\n", 1), letters)
		},
	} {
		file := config()
		if err := os.RemoveAll(filepath.Join(c.dir, "state")); err != nil {
			t.Fatal(err)
		}
		c.command(t, env, "check", file)
		if out := c.command(t, env, "run", "--config.file="+file, "--log.level=debug", "--until-end", "--web.listen-address=127.0.0.1:0"); what != "no SASL wanted" && !strings.Contains(out, "streammon: ") {
			t.Errorf("%s: a job says nothing: %s", what, out)
		}
		p := run(t, env, "--config.file="+file, "--log.level=debug")
		await(t, 20*time.Second, "an end or a page for "+what, func() bool {
			status, _ := p.get("/-/ready")
			return status != 0 || p.ended()
		})
		if !p.ended() {
			time.Sleep(1500 * time.Millisecond)
			c.pages(t, p)
			_, why := p.get("/-/ready")
			t.Logf("%s: %s", what, strings.TrimSpace(why))
			p.terminate(t)
		} else {
			t.Logf("%s: %.300s", what, p.log.String())
		}
		c.look(t, "the log", p.log.String())
		c.folder(t)
	}
	for _, args := range [][]string{{"--help"}, {"run", "--help"}, {"check", "--help"}, {"help", "run"}, {"version"}, {"run", "--no-such-flag"}} {
		c.command(t, env, args...)
	}
	t.Logf("looked at %d texts", c.looked)
}
