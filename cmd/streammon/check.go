package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/streammon/streammon/internal/app"
	"github.com/streammon/streammon/internal/config"
)

func newCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Check a config and the references it names, without a network",
		Long: `check reads a config as run would and prints every violation at once, each with its
line and path. Of each model's reference it prints k, how many windows of each length lie side by side in
it: with fewer than 20 a verdict is at most a warning; and it prints what is measured with labels, and which figures are watched for changes. It exits with 0 if the config would start, with 1 if not. Warnings
do not fail it.`,
		Example: `  streammon check streammon.yaml
  streammon check deploy/streammon.yaml && kubectl rollout restart deploy/streammon`,
		Args: exactArgs(1, "one config file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(args[0])
			if err != nil {
				return err
			}
			warnings, err := app.CheckReferences(c)
			if err != nil {
				return err
			}
			for _, w := range append(c.Warnings(), warnings...) {
				fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", printable(w))
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "%s: ok\n", printable(args[0]))
			for i := range c.Models {
				m := &c.Models[i]
				fmt.Fprintf(out, "  model %s: %d features, %d segments, topic %s\n", printable(m.Name), len(m.AllFeatures()), len(m.Segments), m.Topics.Predictions)
				if m.Measured() && (m.Labelled() || m.Performance.Calibrated) {
					fmt.Fprintf(out, "    performance: %s\n", printable(m.Measures()))
				}
				for k := range m.Changes {
					fmt.Fprintf(out, "    changes of %s\n", printable(m.Changes[k].String()))
				}
				for _, k := range m.KPIs {
					fmt.Fprintf(out, "    kpi %s: %s\n", k.Name, printable(k.Expression))
				}
				references, err := app.ModelCalibrations(c, m)
				if err != nil {
					return err
				}
				for _, r := range references {
					if r.Version != "" {
						fmt.Fprintf(out, "    version %s:\n", printable(r.Version))
					}
					printCalibrations(out, "    ", r.Windows)
				}
			}
			memory, err := app.MemoryOf(c, 0, false)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "  memory: %s\n", memory)
			if w := memory.Warning(); w != "" {
				fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", w)
			}
			return nil
		},
	}
}
