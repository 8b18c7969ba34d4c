package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streammon/streammon/internal/app"
	"github.com/streammon/streammon/internal/event"
)

func newInit() *cobra.Command {
	var o app.InitOptions
	var brokers, output string
	var force bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Sample a topic and write a first config for it",
		Long: `init reads the newest messages of a topic, finds out where they have id, time,
prediction and features and which types these are, and writes a commented config that
passes check.`,
		Example: `  streammon init --brokers=localhost:9092 --topic=fraud.predictions --output=streammon.yaml
  streammon init --brokers=localhost:9092 --topic=fraud.predictions --rows=10000 --output=-`,
		Args: exactArgs(0, "no arguments, only flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "brokers", "topic"); err != nil {
				return err
			}
			if o.Rows < 1 {
				return usagef("--rows %d is not positive", o.Rows)
			}
			o.Brokers = strings.Split(brokers, ",")
			if output != "-" && !force {
				if _, err := os.Stat(output); err == nil {
					return fmt.Errorf("%s is there already: --force overwrites it", output)
				}
			}
			r, err := app.Init(cmd.Context(), o)
			if err != nil {
				return err
			}
			data := r.Config
			fmt.Fprintf(cmd.ErrOrStderr(), "of %d messages %d would be accepted", r.Messages, r.Accepted())
			for reason, n := range r.Rejected {
				if n > 0 {
					fmt.Fprintf(cmd.ErrOrStderr(), ", %d rejected: %s", n, event.Reason(reason))
				}
			}
			fmt.Fprintln(cmd.ErrOrStderr())
			if output == "-" {
				_, err = cmd.OutOrStdout().Write(data)
				return err
			}
			if err := os.WriteFile(output, data, 0o644); err != nil {
				return fmt.Errorf("write config: %w", err)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "wrote %s\n", output)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&brokers, "brokers", "", "`HOST:PORT` of one broker or more, with commas between")
	f.StringVar(&o.Topic, "topic", "", "`TOPIC` of the predictions")
	f.StringVar(&o.Model, "model", "", "`NAME` of the model where the messages have none (default: the topic)")
	f.IntVar(&o.Rows, "rows", 2000, "how many of the newest messages to look at")
	f.StringVar(&output, "output", "streammon.yaml", "write the config to `FILE` (- is standard output)")
	f.BoolVar(&force, "force", false, "overwrite the file")
	return cmd
}
