// Package generate makes what others show and watch streammon by, from one source: the
// dashboards, and the rules and routes of alerts.
//
// Names of metrics and labels are looked up in the exporter's catalogue, so that nothing can be
// asked for that is not exported. The same config gives the same bytes. Nothing here knows a
// server: what is made are files.
package generate
