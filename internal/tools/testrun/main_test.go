package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRunSaysWhetherTheTestsPassed(t *testing.T) {
	t.Setenv("GOWORK", "off")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":          "module fixture\n\ngo 1.26\n",
		"good/a_test.go":  "package good\n\nimport \"testing\"\n\nfunc TestA(*testing.T) {}\n",
		"bad/a_test.go":   "package bad\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) { t.Fail() }\n",
		"worse/a_test.go": "package worse\n\nvar X int = \"a\"\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	t.Chdir(dir)
	require.NoError(t, run([]string{"./good"}))
	require.Error(t, run([]string{"./good", "./bad"}))
	require.Error(t, run([]string{"./worse"}))
}
