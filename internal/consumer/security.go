package consumer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// TLSConfig returns the client side of TLS 1.2 or later: caFile (PEM) replaces the
// system's roots, certFile and keyFile (PEM) are the client's certificate, serverName
// replaces the name in the broker's address, insecure accepts any certificate.
// Empty names mean the default. The error names the file.
func TLSConfig(caFile, certFile, keyFile, serverName string, insecure bool) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: serverName, InsecureSkipVerify: insecure}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("tls: certificate authority: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls: %s holds no PEM certificate", caFile)
		}
	}
	if (certFile == "") != (keyFile == "") {
		return nil, errors.New("tls: a client certificate needs both its file and its key's")
	}
	if certFile != "" {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, fmt.Errorf("tls: client certificate %s: %w", certFile, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// SASLMechanism returns the mechanism of that name: PLAIN, SCRAM-SHA-256 or
// SCRAM-SHA-512. The error lists the allowed names.
func SASLMechanism(name, user, password string) (sasl.Mechanism, error) {
	switch name {
	case "PLAIN":
		return plain.Mechanism{Username: user, Password: password}, nil
	case "SCRAM-SHA-256":
		return boundedSCRAM(scram.SHA256, user, password)
	case "SCRAM-SHA-512":
		return boundedSCRAM(scram.SHA512, user, password)
	}
	return nil, fmt.Errorf("sasl: unknown mechanism %q: want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", name)
}

// maxIterations is how many iterations of its hash a broker may ask for: Kafka stores 4,096 to 16,384. They take a
// core for half a second at most; the library would compute as many as it is told, and nothing ends that. It
// refuses less than 4,096 by itself.
const maxIterations = 1_000_000

// bounded is a SCRAM mechanism that looks at the broker's first message before the library does.
type bounded struct{ sasl.Mechanism }

func boundedSCRAM(algorithm scram.Algorithm, user, password string) (sasl.Mechanism, error) {
	m, err := scram.Mechanism(algorithm, user, password)
	if err != nil {
		return nil, err
	}
	return bounded{m}, nil
}

// Start begins an authentication.
func (m bounded) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	s, first, err := m.Mechanism.Start(ctx)
	return boundedSession{s}, first, err
}

type boundedSession struct{ sasl.StateMachine }

// Next answers the broker, unless it asks for too many iterations.
func (s boundedSession) Next(ctx context.Context, challenge []byte) (bool, []byte, error) {
	for field := range strings.SplitSeq(string(challenge), ",") {
		text, ok := strings.CutPrefix(field, "i=")
		if n, err := strconv.Atoi(text); ok && (n > maxIterations || errors.Is(err, strconv.ErrRange)) {
			return false, nil, fmt.Errorf("sasl: the broker asks for %.20s iterations of SCRAM, at most %d are computed", text, maxIterations)
		}
	}
	return s.StateMachine.Next(ctx, challenge)
}
