package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// CheckOrigin reports whether an origin is one, as https://grafana.example: scheme and host, and no path.
func CheckOrigin(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && origin == u.Scheme+"://"+u.Host
}

// allowing lets scripts of the origins read the API, and nothing else.
func allowing(next http.Handler, origins []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			w.Header().Add("Vary", "Origin")
			if origin := r.Header.Get("Origin"); slices.Contains(origins, origin) {
				w.Header().Set("Access-Control-Allow-Origin", origin)
				w.Header().Set("Access-Control-Expose-Headers", "ETag")
			}
		}
		next.ServeHTTP(w, r)
	})
}
