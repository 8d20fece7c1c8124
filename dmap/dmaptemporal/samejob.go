package dmaptemporal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"go.temporal.io/sdk/client"

	"github.com/go-dmap/dmap/dmap"
)

// memoKey names the memo of a workflow that says which job it runs. It remains when the workflow
// continues as new.
const memoKey = "dmap"

// memo is the job of a run. The parameters themselves may be secret.
type memo struct {
	Name   string `json:"name"`
	Params string `json:"params"` // SHA-256
}

func memoOf(run runRef) memo {
	sum := sha256.Sum256(run.Params)
	return memo{run.Name, hex.EncodeToString(sum[:])}
}

// sameJob refuses a run that runs already with another map or other parameters. A memo that cannot
// be read says nothing: see WithConverter.
func sameJob(ctx context.Context, c client.Client, run client.WorkflowRun, want memo) error {
	d, err := c.DescribeWorkflow(ctx, run.GetID(), run.GetRunID())
	if err != nil {
		return err
	}
	var has memo
	payload := d.Memo.GetFields()[memoKey]
	if payload == nil || dataOf(c).FromPayload(payload, &has) != nil || has == want {
		return nil
	}
	if has.Name != want.Name {
		return fmt.Errorf("%w: it runs as map %q, not %q: Open follows it", dmap.ErrSpecChanged, has.Name, want.Name)
	}
	return fmt.Errorf("%w: it runs with other parameters: Open follows it", dmap.ErrSpecChanged)
}
