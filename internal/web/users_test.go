package web

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/attack"
)

// secretHash is bcrypt's of "secret", at the cost that tools take by default.
const secretHash = "$2a$10$uRuc/W7UE17XTYTCrflBA.wvsTB4kUFUQq/veHYKm.KEwvSlTLpWW"

// serveFile serves with the text as the file of TLS and users.
func serveFile(t *testing.T, text string, refuse func(string)) (address string, read *atomic.Int64) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	read = &atomic.Int64{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, readCounter{l, read}, handlerOf(picture()), Config{ConfigFile: file, Logger: slog.New(slog.DiscardHandler), OnRefuse: refuse})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String(), read
}

func login(password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ann:"+password)) + "\r\n"
}

// cpu is the time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Where users are configured, a body is not read before the login is known to be missing.
func TestBodiesAreNotReadWithoutALogin(t *testing.T) {
	var refused tally
	address, read := serveFile(t, "basic_auth_users:\n  ann: "+secretHash+"\n", refused.count)
	conn := dial(t, address)
	fmt.Fprint(conn, "POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n40000000\r\n")
	go io.Copy(conn, io.LimitReader(attack.Zeros{}, 1<<30))
	conn.SetReadDeadline(time.Now().Add(3 * time.Second))
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || r.StatusCode != 405 || !r.Close {
		t.Errorf("%v, %v", r, err)
	}
	time.Sleep(50 * time.Millisecond) // what it would read on
	if n := read.Load(); n > 16<<10 {
		t.Errorf("%d bytes were read", n)
	}
	if refused.of(refusedMethod) != 1 {
		t.Errorf("refused %v", &refused)
	}
}

// Who guesses passwords gets few of them checked, and one who was let in before is let in.
func TestGuessesOfPasswordsAreBounded(t *testing.T) {
	var refused tally
	address, _ := serveFile(t, "basic_auth_users:\n  ann: "+secretHash+"\n", refused.count)
	if code, _ := attack.Scrape(address, login("secret"), 3*time.Second); code != 200 {
		t.Fatalf("the right password got %d", code)
	}
	var wg sync.WaitGroup
	var checked, other atomic.Int64
	start := time.Now()
	for i := range 8 {
		wg.Go(func() {
			for j := 0; time.Since(start) < time.Second; j++ {
				switch code, _ := attack.Scrape(address, login(fmt.Sprint(i, j)), 5*time.Second); code {
				case 401:
					checked.Add(1)
				case 503:
				default:
					other.Add(1)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	for range 5 {
		if code, _ := attack.Scrape(address, login("secret"), 3*time.Second); code != 200 {
			t.Errorf("the right password got %d", code)
		}
		time.Sleep(100 * time.Millisecond)
	}
	wg.Wait()
	// 0.5 s at once and 0.15 a second, by checks that take 40 ms or more.
	if n := checked.Load(); n == 0 && !raceEnabled || n > 25 || other.Load() != 0 {
		t.Errorf("%d guesses were checked, %d got another answer", n, other.Load())
	}
	if refused.of(refusedBusy) == 0 {
		t.Error("none was refused")
	}
}

// One who guesses from one host does not keep a login from another out.
func TestLoginsOfHostsTakeTurns(t *testing.T) {
	l := newLogins(0.15)
	ask := func(host, password string) *http.Request {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = host + ":1"
		r.SetBasicAuth("ann", password)
		return r
	}
	first, ok := l.enter(ask("10.0.0.1", "a"))
	if !ok {
		t.Fatal("nobody was there")
	}
	second := make(chan bool)
	go func() {
		done, ok := l.enter(ask("10.0.0.1", "b"))
		if ok {
			done(401)
		}
		second <- ok
	}()
	for !l.isWaiting("10.0.0.1") {
		time.Sleep(time.Millisecond)
	}
	if _, ok := l.enter(ask("10.0.0.1", "c")); ok {
		t.Error("two wait for one host")
	}
	third := make(chan bool)
	go func() {
		done, ok := l.enter(ask("10.0.0.2", "secret"))
		if ok {
			done(200)
		}
		third <- ok
	}()
	first(401)
	first(0) // as the deferred call does
	if !<-second || !<-third {
		t.Error("a turn did not come")
	}
	right := ask("10.0.0.2", "secret")
	done, ok := l.enter(right)
	if !ok || len(l.turn) != 0 {
		t.Error("a login that was right takes a turn")
	}
	done(http.StatusUnauthorized)
	if len(l.known) != 0 {
		t.Error("a login that is right no longer is kept")
	}
	for i := range 2 * maxKnown {
		l.remember([32]byte{byte(i)}, 200)
	}
	if len(l.known) != maxKnown {
		t.Errorf("%d are kept", len(l.known))
	}
}

func (l *logins) isWaiting(host string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.waiting[host]
	return ok
}

// certificate writes a key pair and returns the configuration that names it.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("tls_server_config:\n  cert_file: %s\n  key_file: %s\n", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
}

// Handshakes have a rate of their own; beyond it connections are closed before the work.
func TestHandshakesArePaced(t *testing.T) {
	var refused tally
	address, _ := serveFile(t, certificate(t), refused.count)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // what is tested is no trust
	defer client.CloseIdleConnections()
	r, err := client.Get("https://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != 200 {
		t.Errorf("got %d", r.StatusCode)
	}
	var made atomic.Int64
	var wg sync.WaitGroup
	start, used := time.Now(), cpu()
	for range 16 {
		wg.Go(func() {
			for time.Since(start) < time.Second {
				c, err := tls.DialWithDialer(&net.Dialer{Timeout: 3 * time.Second}, "tcp", address, &tls.Config{InsecureSkipVerify: true})
				if err != nil {
					continue
				}
				made.Add(1)
				c.Close()
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	t.Logf("%d handshakes in %v, %v of CPU with the clients; refused %v", made.Load(), took, cpu()-used, &refused)
	if n, most := float64(made.Load()), 60+250*took.Seconds(); n > most {
		t.Errorf("%.0f handshakes, at most %.0f", n, most)
	}
}
