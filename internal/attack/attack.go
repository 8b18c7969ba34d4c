// Package attack has the hostile HTTP clients of tests: slow loris, crowds and endless bodies. It
// is for tests only. A test that measures what they cost runs them in another process, which
// is its own program started again: its TestMain calls Main first.
package attack

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// variable holds the address that the program attacks instead of testing.
const variable = "STREAMMON_TEST_ATTACK"

// Report is what the attackers say.
type Report struct {
	Clients int         // that scraped at once
	Codes   map[int]int // what they got; 0: no answer in time
	Slow    int64       // connections that were made to be slow
	Posted  int64       // bytes
}

// Main attacks, if this process is one of attackers, and reports whether it was.
func Main() bool {
	address := os.Getenv(variable)
	if address != "" {
		_ = json.NewEncoder(os.Stdout).Encode(run(address))
	}
	return address != ""
}

// Attackers are a process that attacks.
type Attackers struct {
	cmd *exec.Cmd
	out io.Reader
}

// Start starts attackers of a server.
func Start(ctx context.Context, address string) (*Attackers, error) {
	c := exec.CommandContext(ctx, os.Args[0])
	c.Env, c.Stderr = append(os.Environ(), variable+"="+address), os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &Attackers{c, out}, c.Start()
}

// Wait returns what the attackers say when they have ended.
func (a *Attackers) Wait() (r Report, err error) {
	err = json.NewDecoder(bufio.NewReader(a.out)).Decode(&r)
	if end := a.cmd.Wait(); end != nil {
		err = end
	}
	return r, err
}

// run has 2,000 slow loris, who come again when they are closed, 10,000 scrapes at once, and
// a POST of 1 GiB after the other, until the scrapes have ended.
func run(address string) Report {
	r := Report{Clients: 10_000}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil {
		r.Clients = min(r.Clients, int(files.Cur)-3000)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 2000 {
		wg.Go(func() { creep(ctx, address, &r.Slow) })
	}
	wg.Go(func() { post(ctx, address, &r.Posted) })
	r.Codes = Crowd(address, "Accept-Encoding: gzip\r\n", r.Clients, 5*time.Second)
	cancel()
	wg.Wait()
	return r
}

// creep sends a request that never ends, a few bytes a time, over and over.
func creep(ctx context.Context, address string, n *int64) {
	var d net.Dialer
	for ctx.Err() == nil {
		c, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			continue
		}
		atomic.AddInt64(n, 1)
		for _, err = io.WriteString(c, "GET /metrics HTTP/1.1\r\n"); err == nil && ctx.Err() == nil; _, err = io.WriteString(c, "X: y\r\n") {
			time.Sleep(200 * time.Millisecond)
		}
		c.Close()
	}
}

func post(ctx context.Context, address string, n *int64) {
	var d net.Dialer
	for ctx.Err() == nil {
		c, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			continue
		}
		stop := context.AfterFunc(ctx, func() { c.Close() })
		fmt.Fprint(c, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n")
		sent, _ := io.Copy(c, io.LimitReader(Zeros{}, 1<<30))
		*n += sent
		stop()
		c.Close()
	}
}

// Crowd scrapes from n connections at once and returns how many got which status, 0 for none.
func Crowd(address, header string, n int, timeout time.Duration) map[int]int {
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[int]int{}
	for range n {
		wg.Go(func() {
			code, _ := Scrape(address, header, timeout)
			mu.Lock()
			codes[code]++
			mu.Unlock()
		})
	}
	wg.Wait()
	return codes
}

// Scrape returns the status of one request over a connection of its own, 0 if there was no
// answer, and the bytes of its body.
func Scrape(address, header string, timeout time.Duration) (code int, body int64) {
	end := time.Now().Add(timeout)
	c, err := net.DialTimeout("tcp", address, timeout)
	if err != nil {
		return 0, 0
	}
	defer c.Close()
	_ = c.SetDeadline(end) // else it takes as long as the server lets it
	fmt.Fprintf(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n%s\r\n", header)
	r, err := http.ReadResponse(bufio.NewReaderSize(c, 4096), nil)
	if err != nil {
		return 0, 0
	}
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return 0, n
	}
	return r.StatusCode, n
}

// Zeros are without end.
type Zeros struct{}

// Read fills b.
func (Zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
