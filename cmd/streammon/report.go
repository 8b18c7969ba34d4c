package main

import (
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streammon/streammon/internal/app"
	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/report"
)

// reportForms are those that a report is written in, by the endings of file names.
var reportForms = map[string]func(*report.Report, io.Writer) error{
	".html": (*report.Report).WriteHTML, ".json": (*report.Report).WriteJSON, ".md": (*report.Report).WriteMarkdown,
}

// checkReports refuses names whose endings say no form, and files that are read.
func checkReports(flag string, files, read []string) error {
	for _, name := range files {
		if reportForms[strings.ToLower(filepath.Ext(name))] == nil {
			return usagef("--%s=%s does not end in .html, .json or .md", flag, name)
		}
		if err := checkFiles("", flag, name, read); err != nil {
			return err
		}
	}
	return nil
}

// writeReports writes a report to files, each in the form that its ending says, and as Markdown to another.
func writeReports(cmd *cobra.Command, r *report.Report, files []string, md string) error {
	var err error
	for _, name := range files {
		err = errors.Join(err, writeReport(cmd, r, name, reportForms[strings.ToLower(filepath.Ext(name))]))
	}
	if md != "" {
		err = errors.Join(err, writeReport(cmd, r, md, (*report.Report).WriteMarkdown))
	}
	return err
}

func writeReport(cmd *cobra.Command, r *report.Report, name string, form func(*report.Report, io.Writer) error) error {
	out := newOutput(cmd, name)
	return errors.Join(form(r, out), out.Close())
}

func newReport() *cobra.Command {
	var server, configFile, model, md string
	var files []string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Write what a running streammon, or the state it saved, knows as one HTML file",
		Long: `report writes what streammon knows now: what moved and since when, how good the answers were, the
quality of the data, distributions beside those of the reference, what was moved before, the account of all
messages, and where references and config are from. The HTML file loads nothing else: it can be
opened offline, printed, and sent. Its JSON has the same, and --md is a short form for pull requests.

It asks the instance at --server. With --config.file it reads the state in the folder state.dir of that config
instead, which no streammon may be using, and changes nothing. Equal states give equal bytes.`,
		Example: `  streammon report --server=http://localhost:9108 --output=report.html
  streammon report --model=fraud --output=report.html --output=report.json
  streammon report --config.file=streammon.yaml --md >> "$GITHUB_STEP_SUMMARY"`,
		Args: exactArgs(0, "no arguments, only flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("server") && configFile != "" {
				return usagef("--server and --config.file exclude each other: ask an instance, or read a state")
			}
			if len(files) == 0 && md == "" {
				return usagef("say where the report is to go: --output=report.html, or --md")
			}
			r, err := readReport(cmd, server, configFile, model, files, md)
			if err != nil {
				return err
			}
			return writeReports(cmd, r, files, md)
		},
	}
	f := cmd.Flags()
	f.StringVar(&server, "server", "http://localhost:9108", "`ADDRESS` of the instance to ask")
	f.StringVar(&configFile, "config.file", "", "config `FILE` whose state is read")
	f.StringVar(&model, "model", "", "of this `MODEL` only")
	f.StringArrayVar(&files, "output", nil, "write the report to `FILE`: .html, .json or .md; may be repeated")
	f.StringVar(&md, "md", "", "write it as Markdown to `FILE`, without one to standard output")
	f.Lookup("md").NoOptDefVal = "-"
	return cmd
}

func readReport(cmd *cobra.Command, server, configFile, model string, files []string, md string) (*report.Report, error) {
	if configFile == "" {
		if err := checkReports("output", files, nil); err != nil {
			return nil, err
		}
		return app.FetchReport(cmd.Context(), server, model)
	}
	c, err := config.Load(configFile)
	if err != nil {
		return nil, err
	}
	read := append(c.Files(), configFile)
	if err := checkReports("output", files, read); err != nil {
		return nil, err
	}
	if err := checkFiles("", "md", md, read); err != nil {
		return nil, err
	}
	return app.StateReport(cmd.Context(), c, model)
}
