package runfolder_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/runfolder"
)

func TestNamesOfCommitsCountDown(t *testing.T) {
	before := runfolder.CommitName(0)
	for _, n := range []int64{1, 9, 10, 99, 100, 12345, runfolder.LastCommit} {
		name := runfolder.CommitName(n)
		require.Less(t, name, before)
		got, ok := runfolder.CommitNumber(name)
		require.True(t, ok)
		require.Equal(t, n, got)
		before = name
	}
	for _, name := range []string{"", "x", "-", "999999999999-1.json", "999999999999-0.json.tmp", "999999999999-0.json.attrs", "-1.json", "1-999999999998.json"} {
		_, ok := runfolder.CommitNumber(name)
		require.False(t, ok, name)
	}
}

func TestOnlyPartsAndTemporaryFilesMayBeRemoved(t *testing.T) {
	part := runfolder.PartName(runfolder.Failed, "ABCDEFGHIJKLMNOP", 12)
	require.Equal(t, "FAILED_ABCDEFGHIJKLMNOP-000012.jsonl", part)
	require.True(t, runfolder.IsPart(part))
	for _, name := range []string{"run.json", runfolder.ManifestName(0), "commits/" + runfolder.CommitName(3), "control.json", "lanes/1-1/0.json", "log/0.json", "notes.jsonl"} {
		require.False(t, runfolder.IsPart(name), name)
		require.False(t, runfolder.IsLeftover(name), name)
	}
	for _, name := range []string{part, "run.json", runfolder.ManifestName(12), "commits/" + runfolder.CommitName(3)} {
		require.True(t, runfolder.IsLeftover(name+".18abcdef.tmp"), name)
	}
	require.False(t, runfolder.IsLeftover("notes.18abcdef.tmp"))
}

func TestManifestNamesSortInOrderOfRedrives(t *testing.T) {
	require.Equal(t, "manifest-000.json", runfolder.ManifestName(0))
	require.Less(t, runfolder.ManifestName(2), runfolder.ManifestName(10))
}

// A listing leaves out the objects of runs by their names.
func TestEveryNameOfARunIsThatOfAResult(t *testing.T) {
	const writer = "ABCDEFGHIJKLMNOP"
	for _, name := range []string{
		runfolder.RunFileName, runfolder.LockName, runfolder.ManifestName(0), runfolder.ManifestName(1000), runfolder.RedriveName(1),
		runfolder.CommitsFolder + runfolder.CommitName(3), runfolder.TakenName(writer, 1),
		runfolder.PartName(runfolder.Succeeded, writer, 1), runfolder.PartName(runfolder.Failed, writer, 1), runfolder.PartName(runfolder.Pending, writer, 1),
	} {
		require.True(t, runfolder.IsResult(name), name)
	}
	for _, name := range []string{"rows.jsonl", "redrive.json", "manifest.json", "TAKEN.jsonl", "lock", "a/run.json"} {
		require.False(t, runfolder.IsResult(name), name)
	}
}

func TestTheLocationOfABucketHasNoSecrets(t *testing.T) {
	for raw, want := range map[string]string{
		"results": "results", "s3://results?region=eu&access_key=s3cr3t": "s3://results?region=eu", "": "",
		"https://u:s3cr3t@host/c/p?sv=1&sig=s3cr3t#s3cr3t": "https://host/c/p",
		"https://host/c;sig=s3cr3t":                        "https://host/c",
		"DefaultEndpointsProtocol=https;AccountName=a;AccountKey=s3cr3t==;EndpointSuffix=core.windows.net":         "DefaultEndpointsProtocol=https;AccountName=a;EndpointSuffix=core.windows.net",
		"BlobEndpoint=https://a.blob/?sig=s3cr3t;SharedAccessSignature=sv=1&sig=s3cr3t;AccountName=a;Other=s3cr3t": "BlobEndpoint=https://a.blob/;AccountName=a",
		"AccountKey=s3cr3t;AccountName=a": "AccountName=a", "s3://b/a%3Fsig%3Ds3cr3t": "s3://b/a",
	} {
		got, err := runfolder.Location(raw)
		require.NoError(t, err, raw)
		require.NotContains(t, got, "s3cr3t")
		require.True(t, strings.HasPrefix(got, want), "%s: %s", raw, got)
	}
}
