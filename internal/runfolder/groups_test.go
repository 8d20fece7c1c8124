package runfolder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/internal/failgroup"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// oddIndex is an index with texts of any bytes.
func oddIndex() *failgroup.Index {
	x := &failgroup.Index{}
	for i := range 300 {
		for _, key := range []string{"a/\xff", "<b>", strings.Repeat("k", 2000), "", fmt.Sprint("p/", i)} {
			x.Add(failgroup.Failure{
				Class: "error", Text: fmt.Sprintf("bad %s\u2028", strings.Repeat("x", i)), Key: key, ID: ItemID(key, int64(i)-1), Attempts: i, At: noon.Add(time.Duration(i) * time.Minute),
			})
		}
	}
	return x
}

func TestGroupsAreStoredAsTheyAre(t *testing.T) {
	x := oddIndex()
	content, err := EncodeCommit("w", CommitRecord{Groups: StoredGroups(x)})
	require.NoError(t, err)
	r, err := DecodeCommit(t.Context(), content, 0)
	require.NoError(t, err)
	require.Equal(t, x.Groups(), IndexOf(r.Groups).Groups())

	file, err := EncodeRedriveFile(RedriveFile{RunID: "r", Redrive: 1, Groups: StoredGroups(x)})
	require.NoError(t, err)
	f, err := DecodeRedriveFile(t.Context(), file, "out/r/", "r", 1)
	require.NoError(t, err)
	require.Equal(t, x.Groups(), IndexOf(f.Groups).Groups())

	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	lines, err := EncodeGroups(StoredGroups(x))
	require.NoError(t, err)
	require.NoError(t, bucket.WriteAll(t.Context(), "g", lines, nil))
	groups, err := LoadGroups(t.Context(), bucket, partOf("g", lines))
	require.NoError(t, err)
	require.Equal(t, x.Groups(), IndexOf(groups).Groups())
}

// Commits in order have the index of all; one with which a redrive begins replaces those before.
func TestCommittedGroupsFollowTheCommits(t *testing.T) {
	one := func(text string) []FailureGroup {
		x := &failgroup.Index{}
		x.Add(failgroup.Failure{Class: "error", Text: text, Key: "k", ID: "k", At: noon})
		return StoredGroups(x)
	}
	commits := []CommitRecord{{Groups: one("a")}, {}, {Groups: one("a")}, {Groups: one("b")}}
	groups := CommittedGroups(commits).Groups()
	require.Len(t, groups, 2)
	require.EqualValues(t, 2, groups[0].Count)
	commits = append(commits, CommitRecord{Groups: one("c"), Regrouped: true}, CommitRecord{Groups: one("c")})
	groups = CommittedGroups(commits).Groups()
	require.Len(t, groups, 1)
	require.EqualValues(t, 2, groups[0].Count)
	require.Zero(t, CommittedGroups(append(commits, CommitRecord{Regrouped: true})).Total())
}

// Anybody who may write to the bucket can write groups: what no version of dmap writes is refused.
func TestGroupsThatDmapHasNotWrittenAreRefused(t *testing.T) {
	good := `{"id":"0123456789ab","class":"error","message":"bad","count":1,"samples":[{"id":"k@1","keyBytes":1,"error":"bad","attempts":1}],` +
		`"where":[{"prefix":"k","count":1}],"trend":{"start":"2026-11-26T12:00:00Z","width":1000000000,"counts":[1]}}`
	check := func(text string) error {
		var list []FailureGroup
		return addGroup(&list, []byte(text))
	}
	require.NoError(t, check(good))
	for from, to := range map[string]string{
		`"0123456789ab"`:           `""`,
		`"count":1,"sam`:           `"count":-1,"sam`,
		`"bad","count"`:            `"` + strings.Repeat("x", 513) + `","count"`,
		`"keyBytes":1`:             `"keyBytes":4`,
		`"attempts":1`:             `"attempts":-1`,
		`"error":"bad"`:            `"error":"` + strings.Repeat("x", 2048) + `"`,
		`"count":1}],"t`:           `"count":2}],"t`,
		`1000000000`:               `1500000000`,
		`"counts":[1]`:             `"counts":[-1]`,
		`"counts":[1]}}`:           `"counts":[9223372036854775807]}}`, // two of them would be negative
		`"2026-11-26T12`:           `"1826-11-26T12`,
		`{"prefix":"k","count":1}`: strings.TrimSuffix(strings.Repeat(`{"prefix":"k","count":0},`, 17), ","),
	} {
		require.Contains(t, good, from)
		require.Error(t, check(strings.Replace(good, from, to, 1)), to[:min(len(to), 40)])
	}
	require.ErrorContains(t, check(strings.Replace(good, `"class"`, `"unknown":"`+strings.Repeat("x", maxGroup)+`","class"`, 1)), "at most")

	var list []FailureGroup
	require.NoError(t, addGroup(&list, []byte(`{"id":"other","count":0}`)))
	require.ErrorContains(t, addGroup(&list, []byte(good)), "follows the group of all others")
	list = make([]FailureGroup, MaxGroups)
	require.ErrorContains(t, addGroup(&list, []byte(good)), "more than 201 groups")
}

func TestAnObjectOfGroupsMustBeTheRecordedOne(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	lines, err := EncodeGroups(StoredGroups(oddIndex()))
	require.NoError(t, err)
	require.NoError(t, bucket.WriteAll(t.Context(), "g", lines, nil))
	good := partOf("g", lines)
	for _, change := range []func(*Part){
		func(p *Part) { p.Size = maxGroups + 1 }, func(p *Part) { p.SHA256 = strings.Repeat("0", 64) }, func(p *Part) { p.Records-- },
		func(p *Part) { p.Key = "absent" },
	} {
		p := good
		change(&p)
		_, err := LoadGroups(t.Context(), bucket, p)
		require.ErrorContains(t, err, p.Key)
	}
	m := Manifest{RunID: "r", ResultFiles: &ResultFiles{}, Format: 1, Groups: &Part{Key: "elsewhere/g"}}
	content, err := EncodeManifest(m)
	require.NoError(t, err)
	_, err = DecodeManifest(context.Background(), content, "out/r/", "r")
	require.ErrorIs(t, err, ErrElsewhere)
}

// A record with the groups of any run is far from the limits of a record.
func TestTheLargestGroupsAreSmall(t *testing.T) {
	x := &failgroup.Index{}
	for i := range failgroup.MaxGroups {
		for j := range 20 {
			key := fmt.Sprintf("%s%d/%d", strings.Repeat("\xff", 240), i, j)
			text := fmt.Sprintf("%s %s", strings.Repeat("\u2028", 170), strings.Repeat("g", i+1)+strings.Repeat("\u0080", 1000))
			x.Add(failgroup.Failure{Class: strings.Repeat("c", 64), Text: strings.Repeat("h", i) + text, Key: key, ID: key + strings.Repeat("\xff", 700), At: noon.Add(time.Duration(j) * time.Hour)})
		}
	}
	list := StoredGroups(x)
	require.Len(t, list, failgroup.MaxGroups)
	content, err := EncodeCommit("w", CommitRecord{Groups: list})
	require.NoError(t, err)
	t.Logf("largest groups: %d bytes", len(content))
	require.Less(t, len(content), 16<<20)
	for i := range list {
		text, err := json.Marshal(list[i])
		require.NoError(t, err)
		require.Less(t, len(text), maxGroup/4)
	}
	r, err := DecodeCommit(t.Context(), content, 0)
	require.NoError(t, err)
	require.Len(t, r.Groups, failgroup.MaxGroups)
}

func partOf(key string, content []byte) Part {
	sum := sha256.Sum256(content)
	return Part{Key: key, Size: int64(len(content)), Records: int64(bytes.Count(content, []byte("\n"))), SHA256: hex.EncodeToString(sum[:])}
}
