package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	mit = "MIT License\n\nPermission is hereby granted, free of charge, to any person\nTHE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT"
	bsd = "Redistribution and use in source and binary forms, with or without\nmodification: retain this list of conditions"
)

func TestLicencesAreKnownByTheirSentences(t *testing.T) {
	for text, want := range map[string]string{
		mit:                             "MIT",
		bsd:                             "BSD-2-Clause",
		bsd + "\nNeither the name of X": "BSD-3-Clause",
		"Apache License\n  Version 2.0, January 2004\n" + mit: "Apache-2.0, MIT",
	} {
		got, err := classify(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "All rights reserved.", "GNU GENERAL PUBLIC LICENSE", mit + "\nCommons  Clause", "Mozilla Public License 2.0"} {
		_, err := classify(text)
		require.Error(t, err, "%q", text)
	}
}

func TestAModuleWithoutAKnownLicenceIsRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("license.go", "package x")
	_, err := licenceOf(dir)
	require.ErrorContains(t, err, "no licence file")
	write("LICENSE", mit)
	got, err := licenceOf(dir)
	require.NoError(t, err)
	require.Equal(t, "MIT", got)
	write("LICENSE-THIRD-PARTY.txt", "pay me")
	_, err = licenceOf(dir)
	require.ErrorContains(t, err, "LICENSE-THIRD-PARTY.txt: an unknown licence")
}

func TestTheModulesOfAFolderAreListed(t *testing.T) {
	modules, err := linked("../../../sink")
	require.NoError(t, err)
	require.NotEmpty(t, modules)
	require.NoError(t, run([]string{"../../../sink"}))
	require.Error(t, run(nil))
	require.Error(t, run([]string{t.TempDir()}))
}
