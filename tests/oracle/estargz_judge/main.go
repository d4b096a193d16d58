// Judges the eStargz layers of an OCI layout with the reference implementation: each opens, its table
// of contents has the digest of the annotation, every chunk of every file has its digest and is what
// the tar holds, and the table is the one that the reference's own writer makes of the same tar, but
// for offsets. Writes a line of JSON for each layer.
package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/containerd/stargz-snapshotter/estargz"
	digest "github.com/opencontainers/go-digest"
)

type descriptor struct {
	Digest      digest.Digest     `json:"digest"`
	Annotations map[string]string `json:"annotations"`
}

type verdict struct {
	Digest         string `json:"digest"`
	Entries        int    `json:"entries"`
	Files          int    `json:"files"`
	Chunks         int    `json:"chunks"`
	Bytes          int64  `json:"bytes"`
	Size           int64  `json:"size"`
	ReferenceSize  int64  `json:"reference_size"`
	PrefetchBytes  int64  `json:"prefetch_bytes"`
	ReferenceLevel int    `json:"reference_level"`
}

func main() {
	level, err := strconv.Atoi(os.Args[2])
	if err == nil {
		err = judgeLayout(os.Args[1], level)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func readJSON(name string, to any) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

func blob(layout string, of digest.Digest) string {
	return filepath.Join(layout, "blobs", string(of.Algorithm()), of.Encoded())
}

func judgeLayout(layout string, level int) error {
	var index struct {
		Manifests []descriptor `json:"manifests"`
	}
	if err := readJSON(filepath.Join(layout, "index.json"), &index); err != nil {
		return err
	}
	var manifest struct {
		Config descriptor   `json:"config"`
		Layers []descriptor `json:"layers"`
	}
	if err := readJSON(blob(layout, index.Manifests[0].Digest), &manifest); err != nil {
		return err
	}
	var config struct {
		RootFS struct {
			DiffIDs []digest.Digest `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := readJSON(blob(layout, manifest.Config.Digest), &config); err != nil {
		return err
	}
	for i, layer := range manifest.Layers {
		if _, lazy := layer.Annotations[estargz.TOCJSONDigestAnnotation]; !lazy {
			continue
		}
		said, err := judgeLayer(blob(layout, layer.Digest), layer, config.RootFS.DiffIDs[i], level)
		if err != nil {
			return fmt.Errorf("layer %s: %w", layer.Digest, err)
		}
		line, err := json.Marshal(said)
		if err != nil {
			return err
		}
		fmt.Println(string(line))
	}
	return nil
}

func judgeLayer(name string, layer descriptor, diffID digest.Digest, level int) (*verdict, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	state, err := file.Stat()
	if err != nil {
		return nil, err
	}
	stored := io.NewSectionReader(file, 0, state.Size())
	reader, err := estargz.Open(stored)
	if err != nil {
		return nil, err
	}
	verifier, err := reader.VerifyTOC(digest.Digest(layer.Annotations[estargz.TOCJSONDigestAnnotation]))
	if err != nil {
		return nil, err
	}
	said := &verdict{Digest: layer.Digest.String(), Size: state.Size(), ReferenceLevel: level}
	if landmark, found := reader.Lookup(estargz.PrefetchLandmark); found {
		said.PrefetchBytes = landmark.Offset
	} else if _, found := reader.Lookup(estargz.NoPrefetchLandmark); !found {
		return nil, errors.New("it has no landmark")
	}

	plain, err := os.CreateTemp("", "layer")
	if err != nil {
		return nil, err
	}
	defer os.Remove(plain.Name())
	defer plain.Close()
	size, err := unpack(stored, plain, diffID)
	if err != nil {
		return nil, err
	}
	if text := layer.Annotations[estargz.StoreUncompressedSizeAnnotation]; text != strconv.FormatInt(size, 10) {
		return nil, fmt.Errorf("it unpacks to %d bytes, its annotation says %s", size, text)
	}
	whole := io.NewSectionReader(plain, 0, size)
	if err := compareWithTar(reader, verifier, whole, said); err != nil {
		return nil, err
	}
	ours, err := tableOf(stored)
	if err != nil {
		return nil, err
	}
	said.Entries = len(ours)
	theirs, err := referenceTable(whole, level, said)
	if err != nil {
		return nil, err
	}
	return said, compareTables(ours, theirs)
}

func unpack(stored *io.SectionReader, to io.Writer, diffID digest.Digest) (int64, error) {
	if _, err := stored.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	unpacked, err := gzip.NewReader(stored)
	if err != nil {
		return 0, err
	}
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(to, hash), unpacked)
	if err != nil {
		return 0, err
	}
	if actual := digest.NewDigest(digest.SHA256, hash); actual != diffID {
		return 0, fmt.Errorf("it unpacks to %s, the configuration says %s", actual, diffID)
	}
	return size, nil
}

// compareWithTar reads every file chunk by chunk, as a lazy mount does.
func compareWithTar(reader *estargz.Reader, verifier estargz.TOCEntryVerifier, whole io.Reader, said *verdict) error {
	archive := tar.NewReader(whole)
	last := ""
	for {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		last = header.Name
		if last == estargz.TOCTarName {
			continue
		}
		entry, found := reader.Lookup(header.Name)
		if !found {
			return fmt.Errorf("the table lacks %q", header.Name)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		if entry.Digest != digest.FromBytes(content).String() {
			return fmt.Errorf("the table has another digest for %q", header.Name)
		}
		said.Files++
		said.Bytes += int64(len(content))
		if err := readChunks(reader, verifier, header.Name, content, said); err != nil {
			return fmt.Errorf("%q: %w", header.Name, err)
		}
	}
	if last != estargz.TOCTarName {
		return fmt.Errorf("the last member is %q", last)
	}
	return nil
}

func readChunks(reader *estargz.Reader, verifier estargz.TOCEntryVerifier, name string, content []byte, said *verdict) error {
	file, err := reader.OpenFile(name)
	if err != nil {
		return err
	}
	for offset := int64(0); offset < int64(len(content)); {
		chunk, found := reader.ChunkEntryForOffset(name, offset)
		if !found || chunk.ChunkOffset != offset || chunk.ChunkSize <= 0 || chunk.ChunkSize > 4<<20 {
			return fmt.Errorf("no chunk at %d", offset)
		}
		data := make([]byte, chunk.ChunkSize)
		if _, err := file.ReadAt(data, offset); err != nil && err != io.EOF {
			return err
		}
		check, err := verifier.Verifier(chunk)
		if err != nil {
			return err
		}
		if _, err := check.Write(data); err != nil {
			return err
		}
		if !check.Verified() || string(data) != string(content[offset:offset+chunk.ChunkSize]) {
			return fmt.Errorf("the chunk at %d is another", offset)
		}
		said.Chunks++
		offset += chunk.ChunkSize
	}
	return nil
}

func tableOf(stored *io.SectionReader) ([]*estargz.TOCEntry, error) {
	offset, footer, err := estargz.OpenFooter(stored)
	if err != nil {
		return nil, err
	}
	if footer != estargz.FooterSize {
		return nil, fmt.Errorf("the footer has %d bytes", footer)
	}
	unpacked, err := gzip.NewReader(io.NewSectionReader(stored, offset, stored.Size()-offset-footer))
	if err != nil {
		return nil, err
	}
	archive := tar.NewReader(unpacked)
	if _, err := archive.Next(); err != nil {
		return nil, err
	}
	var toc estargz.JTOC
	if err := json.NewDecoder(archive).Decode(&toc); err != nil {
		return nil, err
	}
	return toc.Entries, nil
}

// referenceTable is that of the reference's writer, which drops landmark and table of what it is given.
func referenceTable(whole *io.SectionReader, level int, said *verdict) ([]*estargz.TOCEntry, error) {
	built, err := estargz.Build(whole, estargz.WithCompressionLevel(level))
	if err != nil {
		return nil, err
	}
	defer built.Close()
	made, err := os.CreateTemp("", "reference")
	if err != nil {
		return nil, err
	}
	defer os.Remove(made.Name())
	defer made.Close()
	if said.ReferenceSize, err = io.Copy(made, built); err != nil {
		return nil, err
	}
	return tableOf(io.NewSectionReader(made, 0, said.ReferenceSize))
}

// comparable leaves out what may differ: offsets, the landmark, the repetition of owners' names (the
// reference repeats them in each of the parts that it packs side by side), bits of the mode that say
// the type once more.
func comparable(entries []*estargz.TOCEntry) []estargz.TOCEntry {
	users, groups := map[int]string{}, map[int]string{}
	var out []estargz.TOCEntry
	for _, entry := range entries {
		switch path.Clean(entry.Name) {
		case estargz.PrefetchLandmark, estargz.NoPrefetchLandmark:
			continue
		}
		one := *entry
		one.Offset = 0
		one.Mode &= 0o7777
		if one.Type != "chunk" {
			if one.Uname != "" {
				users[one.UID] = one.Uname
			}
			if one.Gname != "" {
				groups[one.GID] = one.Gname
			}
			one.Uname, one.Gname = users[one.UID], groups[one.GID]
		}
		if len(one.Xattrs) == 0 {
			one.Xattrs = nil
		}
		out = append(out, one)
	}
	return out
}

func compareTables(ours, theirs []*estargz.TOCEntry) error {
	one, other := comparable(ours), comparable(theirs)
	var wrong []string
	for i := range min(len(one), len(other)) {
		if !reflect.DeepEqual(one[i], other[i]) {
			wrong = append(wrong, fmt.Sprintf("entry %d is %+v, of the reference %+v", i, one[i], other[i]))
		}
	}
	if len(one) != len(other) {
		wrong = append(wrong, fmt.Sprintf("%d entries, of the reference %d", len(one), len(other)))
	}
	if len(wrong) > 5 {
		wrong = append(wrong[:5], fmt.Sprintf("and %d more", len(wrong)-5))
	}
	if wrong != nil {
		return errors.New(strings.Join(wrong, "\n"))
	}
	return nil
}
