package sink

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// status is the status of a run that has ended. An Ending without a reason is judged by its error.
func status(end dmap.Ending) string {
	err := end.Err
	_, tolerance := guard.As[*dmap.ToleranceError](err)
	_, source := guard.As[*dmap.SourceError](err)
	_, sink := guard.As[*dmap.SinkError](err)
	switch {
	case err == nil:
		return runfolder.StatusSucceeded
	case slices.Contains([]string{"canceled", "suspended", "context", "budget", "total budget"}, end.Stats.Reason):
		return runfolder.StatusCanceled
	case end.Stats.Reason != "":
		return runfolder.StatusFailed
	case tolerance, source, sink, guard.Is(err, dmap.ErrInternal):
		return runfolder.StatusFailed
	default:
		return runfolder.StatusCanceled
	}
}

func publishManifest(ctx context.Context, bucket *blob.Bucket, folder string, m *runfolder.Manifest) error {
	key := folder + runfolder.ManifestName(m.Redrive)
	content, err := runfolder.EncodeManifest(*m)
	if err != nil {
		return fmt.Errorf("sink: encode %q: %w", key, err)
	}
	return publish.Create(ctx, bucket, key, "application/json", content)
}

// libraryVersion is the version of this module in the running program.
func libraryVersion() string {
	const module = "github.com/go-dmap/dmap"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if info.Main.Path == module {
		return info.Main.Version
	}
	for _, m := range info.Deps {
		if m.Path == module {
			return m.Version
		}
	}
	return "unknown"
}
