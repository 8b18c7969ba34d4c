package web

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestReload: the path is there only if it is asked for, takes a POST only, and says what is wrong.
func TestReload(t *testing.T) {
	var fails error
	calls := 0
	h := handlerOf(picture())
	enabled := newGuard(reloading(h, func() error { calls++; return fails }), defaultLimits(), func(string) {})
	enabled.reload = true
	disabled := newGuard(h, defaultLimits(), func(string) {})
	for _, c := range []struct {
		guard        *guard
		method, path string
		body         io.Reader
		fails        error
		code, calls  int
		says         string
	}{
		{enabled, "POST", "/-/reload", nil, nil, http.StatusOK, 1, "reloaded"},
		{enabled, "POST", "/-/reload", nil, errors.New("windows changed\x1b"), http.StatusInternalServerError, 1, "stays in force: windows changed\uFFFD"},
		{enabled, "GET", "/-/reload", nil, nil, http.StatusNotFound, 0, ""},
		{enabled, "POST", "/-/reload", strings.NewReader("x"), nil, http.StatusRequestEntityTooLarge, 0, ""},
		{enabled, "POST", "/-/ready", nil, nil, http.StatusMethodNotAllowed, 0, ""},
		{enabled, "PUT", "/-/reload", nil, nil, http.StatusMethodNotAllowed, 0, ""},
		{enabled, "GET", "/-/healthy", nil, nil, http.StatusOK, 0, "healthy"},
		{disabled, "POST", "/-/reload", nil, nil, http.StatusMethodNotAllowed, 0, ""},
		{disabled, "GET", "/-/reload", nil, nil, http.StatusNotFound, 0, ""},
	} {
		calls, fails = 0, c.fails
		w := httptest.NewRecorder()
		c.guard.ServeHTTP(w, httptest.NewRequest(c.method, c.path, c.body))
		if w.Code != c.code || calls != c.calls || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s: %d %s, %d calls", c.method, c.path, w.Code, w.Body, calls)
		}
	}
}
