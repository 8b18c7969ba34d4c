package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
)

// Config of the server.
type Config struct {
	// ConfigFile has TLS and users in exporter-toolkit's format; empty for neither.
	ConfigFile string
	Logger     *slog.Logger
	// OnRefuse, if not nil, is told of every request that is refused and every connection that
	// is closed to make room, with one of the reasons of docs/metrics.md. Any goroutine calls it.
	OnRefuse func(reason string)
	// Reload reads the config again, at POST /-/reload; nil if there is no such path. Any goroutine calls it.
	Reload func() error

	// CORSOrigins are the origins whose scripts may read the API, as CheckOrigin takes them; none by default.
	CORSOrigins []string

	limits *limits // of tests
}

func (c *Config) refuse(reason string) {
	if c.OnRefuse != nil {
		c.OnRefuse(reason)
	}
}

func (c *Config) bounds() limits {
	if c.limits != nil {
		return *c.limits
	}
	return defaultLimits()
}

// Check reports what is wrong with a file of TLS and users; none is right.
func Check(configFile string) error {
	if configFile == "" {
		return nil
	}
	if err := toolkit.Validate(configFile); err != nil {
		return fmt.Errorf("web config %s: %w", configFile, err)
	}
	return nil
}

// shutdownTime is how long requests under way may take when the server ends.
const shutdownTime = 2 * time.Second

// newServer has short limits of time: a request is a few hundred bytes.
func newServer(h http.Handler, l *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 20 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 8},
		DisableGeneralOptionsHandler: true, // "OPTIONS *" would pass by the guard
		ErrorLog:                     slog.NewLogLogger(l.Handler(), slog.LevelDebug),
	}
}

// Serve answers on the listener until the context ends, and closes it. The connections,
// the requests and the bytes of answers a second are bounded, so that no client can take much
// from the rest of the process.
func Serve(ctx context.Context, l net.Listener, h http.Handler, c Config) error {
	entry := newGate(l, c.bounds(), c.refuse)
	if len(c.CORSOrigins) > 0 {
		h = allowing(h, c.CORSOrigins)
	}
	if c.Reload != nil {
		h = reloading(h, c.Reload)
	}
	server := newServer(h, c.Logger)
	server.ConnState = entry.state
	server.RegisterOnShutdown(entry.dismiss)
	// The toolkit has put its check of passwords around the handler by the time that this is
	// called: the guard must be around both.
	server.BaseContext = func(l net.Listener) context.Context {
		guard := newGuard(server.Handler, c.bounds(), c.refuse)
		guard.reload, server.Handler = c.Reload != nil, guard
		_, plain := l.(*gate)
		entry.encrypted = !plain
		return context.Background()
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		if server.Shutdown(end) != nil {
			server.Close()
		}
	})
	defer func() {
		if !stop() {
			<-ended // Shutdown makes the server return at once, while answers are under way
		}
	}()
	addresses, socket := []string{l.Addr().String()}, false
	err := toolkit.Serve(entry, server, &toolkit.FlagConfig{WebListenAddresses: &addresses, WebSystemdSocket: &socket, WebConfigFile: &c.ConfigFile}, c.Logger)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
