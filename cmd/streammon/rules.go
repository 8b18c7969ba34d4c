package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/generate"
)

func newRules() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "Make alert rules for Prometheus and Grafana",
		Long: `rules makes recording and alert rules, routes and messages from the models of a config and
the thresholds in its alerts. docs/alerting.md explains them.`,
		Example: `  streammon rules generate --config.file=streammon.yaml > streammon.rules.yml
  streammon rules generate --config.file=streammon.yaml --output=deploy`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q", "rules "+args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newRulesGenerate())
	return cmd
}

func newRulesGenerate() *cobra.Command {
	var configFile, dir string
	var force bool
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Write alert rules that fit the models of a config",
		Long: `generate prints the rules for Prometheus. With --output it writes into that folder the rules
for Prometheus and those for Grafana, which are overwritten, and, where there are none yet,
a config of Prometheus, one of Alertmanager with its messages, and contact points, policies
and messages of Grafana: these are a start for your own, which only --force overwrites.

The references that the config names need not be there.`,
		Example: `  streammon rules generate --config.file=streammon.yaml > /etc/prometheus/rules/streammon.yml
  streammon rules generate --config.file=streammon.yaml --output=deploy`,
		Args: exactArgs(0, "no arguments, only flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "config.file"); err != nil {
				return err
			}
			c, err := config.LoadForProfile(configFile)
			if err != nil {
				return err
			}
			if dir == "" {
				_, err := cmd.OutOrStdout().Write(generate.NewRules(c).Prometheus())
				return err
			}
			return writeGenerated(cmd.ErrOrStderr(), dir, generate.RuleFiles(c), append(c.Files(), configFile), force)
		},
	}
	f := cmd.Flags()
	f.StringVar(&configFile, "config.file", "", "the config `FILE`")
	f.StringVar(&dir, "output", "", "write all files into the folder `DIR` (default: print the rules for Prometheus)")
	f.BoolVar(&force, "force", false, "overwrite the files that are a start for your own, too")
	return cmd
}

// writeGenerated writes files into a folder, which it makes, and says which: all, or none if one is among those that are read. Starters that are
// there are kept, unless by force.
func writeGenerated(said io.Writer, dir string, files []generate.File, read []string, force bool) error {
	for _, f := range files {
		if err := checkFiles("", "output", filepath.Join(dir, f.Name), read); err != nil {
			return err
		}
	}
	for _, f := range files {
		name, what := filepath.Join(dir, f.Name), "wrote"
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return fmt.Errorf("write what is generated: %w", err)
		}
		if _, err := os.Lstat(name); f.Starter && !force && err == nil {
			what = "kept"
		} else if err := replaceFile(name, f.Data); err != nil {
			return fmt.Errorf("write what is generated: %w", err)
		}
		fmt.Fprintf(said, "%s %s\n", what, printable(name))
	}
	return nil
}

// replaceFile puts a whole file in place of what is there, so that nobody reads half of it.
func replaceFile(name string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(name), "."+strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))+"-*")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err
}
