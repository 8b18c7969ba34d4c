// Package promql checks the queries of dashboards with Prometheus' own parser. It is a module of its own, so
// that the program does not depend on Prometheus.
package promql
