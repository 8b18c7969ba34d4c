package web

import (
	"net/http"

	"github.com/streammon/streammon/internal/report"
)

// reloadPath takes the one POST that there is.
const reloadPath = "/-/reload"

// reloading adds the path at which the config is read again.
func reloading(next http.Handler, reload func() error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("POST "+reloadPath, func(w http.ResponseWriter, _ *http.Request) {
		if err := reload(); err != nil {
			http.Error(w, report.Visible("not reloaded, the config before stays in force: "+err.Error()), http.StatusInternalServerError)
			return
		}
		w.Write([]byte("reloaded\n"))
	})
	return mux
}
