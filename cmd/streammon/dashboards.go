package main

import (
	"github.com/spf13/cobra"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/generate"
)

func newDashboards() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dashboards",
		Short: "Write dashboards for Grafana",
		Long: `Five dashboards for Grafana 10.4 and newer: an overview, a model, its features, one feature, and
streammon itself. They are imported as files, or provisioned; docs/dashboards.md tells how.`,
		Example: `  streammon dashboards generate --config.file=streammon.yaml --output=dashboards
  streammon dashboards generate --output=dashboards   # for any config`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q of %s", args[0], cmd.CommandPath())
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newDashboardsGenerate())
	return cmd
}

func newDashboardsGenerate() *cobra.Command {
	var file, output string
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Write the dashboards, fitted to a config",
		Long: `generate writes overview.json, model.json, features.json, feature.json and monitor.json to a folder, which it
makes. With a config they have its models and windows, and those panels only that it has figures for. The
uids are always the same, so that importing them again replaces them. The references that the config names need not be there.`,
		Example: `  streammon dashboards generate --config.file=streammon.yaml
  streammon dashboards generate --config.file=streammon.yaml --output=/var/lib/grafana/dashboards`,
		Args: exactArgs(0, "no arguments, only flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var c *config.Config
			var read []string
			if file != "" {
				var err error
				if c, err = config.LoadForProfile(file); err != nil {
					return err
				}
				read = append(c.Files(), file)
			}
			files, err := generate.Dashboards(c)
			if err != nil {
				return err
			}
			return writeGenerated(cmd.OutOrStdout(), output, files, read, false)
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "config.file", "", "config `FILE` to fit them to (default: they fit any)")
	f.StringVar(&output, "output", "dashboards", "`FOLDER` to write to")
	return cmd
}
