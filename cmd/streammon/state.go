package main

import (
	"github.com/spf13/cobra"

	"github.com/streammon/streammon/internal/app"
)

func newState() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Look into the state that run keeps",
		Long: `run keeps its state in the folder state.dir of the config: windows, offsets, ledger, and how
far results were written. These commands read it and change nothing. A folder that a
running streammon uses is locked; its /status page shows what it does.`,
		Example: `  streammon state show /var/lib/streammon
  streammon state verify /var/lib/streammon`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q", "state "+args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "show DIR",
		Short: "Print when and what was saved: offsets and accounts of all partitions",
		Example: `  streammon state show /var/lib/streammon
  streammon state show . | grep predictions/3`,
		Args: exactArgs(1, "one argument: the folder of the state"),
		RunE: func(cmd *cobra.Command, args []string) error { return app.ShowState(args[0], cmd.OutOrStdout()) },
	}, &cobra.Command{
		Use:   "verify DIR",
		Short: "Check every byte of the state against its checksums and accounts",
		Long: `verify reads both saves of each group with all that belongs to them, and checks
the checksum of each value, that none is missing or one too many, and that the ledgers
balance. It exits with 1 if anything is damaged.`,
		Example: `  streammon state verify /var/lib/streammon
  streammon state verify . && echo whole`,
		Args: exactArgs(1, "one argument: the folder of the state"),
		RunE: func(cmd *cobra.Command, args []string) error { return app.VerifyState(args[0], cmd.OutOrStdout()) },
	})
	return cmd
}
