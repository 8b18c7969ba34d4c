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

// Serve answers on the listener until the context ends, and closes it.
func Serve(ctx context.Context, l net.Listener, h http.Handler, c Config) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 60 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		if server.Shutdown(end) != nil {
			server.Close()
		}
	})
	defer stop()
	addresses, socket := []string{l.Addr().String()}, false
	err := toolkit.Serve(l, server, &toolkit.FlagConfig{WebListenAddresses: &addresses, WebSystemdSocket: &socket, WebConfigFile: &c.ConfigFile}, c.Logger)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
