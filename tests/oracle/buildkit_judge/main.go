// Judges Dockerfiles with BuildKit's own front end, without a daemon: reads a JSON array of texts
// from standard input and writes, for each, what BuildKit says of it up to the conversion to LLB, and
// what it would build: the operations in their order, and the image's configuration.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

type verdict struct {
	Phase        string        `json:"phase"` // parse, instructions, convert, ok
	Error        string        `json:"error,omitempty"`
	Instructions []instruction `json:"instructions"`
	Builds       []string      `json:"builds,omitempty"`
}

type instruction struct {
	Keyword string `json:"keyword"`
	Start   int    `json:"start"`
	End     int    `json:"end"`
}

// Every image exists, for linux/amd64, with one layer and no configuration.
type anyImage struct{}

func (anyImage) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config := `{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}}`
	return ref, "", []byte(config), nil
}

func judge(text string) (out verdict) {
	defer func() {
		if r := recover(); r != nil {
			out.Phase, out.Error = "panic", fmt.Sprint(r)
		}
	}()
	out.Phase = "parse"
	result, err := parser.Parse(bytes.NewReader([]byte(text)))
	if err != nil {
		out.Error = err.Error()
		return
	}
	for _, node := range result.AST.Children {
		out.Instructions = append(out.Instructions, instruction{node.Value, node.StartLine, node.EndLine})
	}
	out.Phase = "instructions"
	stages, _, err := instructions.Parse(result.AST, nil)
	if err != nil {
		out.Error = err.Error()
		return
	}
	out.Phase = "convert"
	built, err := convert(text)
	if err == nil && len(stages) > 1 {
		var all *dockerfile2llb.Result
		if all, err = convert(reachable(text, len(stages))); err == nil {
			built.State = all.State
		}
	}
	if err == nil {
		out.Builds, err = builds(built)
	}
	if err != nil {
		out.Error = err.Error()
		return
	}
	out.Phase = "ok"
	return
}

func convert(text string) (*dockerfile2llb.Result, error) {
	caps := pb.Caps.CapSet(pb.Caps.All())
	return dockerfile2llb.Dockerfile2LLB(context.Background(), []byte(text), dockerfile2llb.ConvertOpt{
		MetaResolver:   anyImage{},
		LLBCaps:        &caps,
		TargetPlatform: &ocispecs.Platform{OS: "linux", Architecture: "amd64"},
	})
}

// builds names each operation by its place, so that a change of one does not change the names of all that need it.
func builds(of *dockerfile2llb.Result) (out []string, err error) {
	definition, err := of.State.Marshal(context.Background(), llb.LinuxAmd64)
	if err != nil {
		return nil, err
	}
	places := map[string]string{}
	for i, bytes := range definition.Def {
		var op pb.Op
		if err := op.Unmarshal(bytes); err != nil {
			return nil, err
		}
		for _, input := range op.Inputs {
			input.Digest = places[input.Digest]
		}
		places[digest.FromBytes(bytes).String()] = fmt.Sprint(i)
		if source := op.GetSource(); source != nil {
			// Another one for each conversion.
			delete(source.Attrs, pb.AttrLocalUniqueID)
		}
		line, err := json.Marshal(&op)
		if err != nil {
			return nil, err
		}
		out = append(out, string(line))
	}
	config, err := json.Marshal(of.Image.Config)
	return append(out, string(config)), err
}

// reachable adds a stage that needs all others: BuildKit looks only at stages that it needs.
func reachable(text string, stages int) string {
	var more strings.Builder
	more.WriteString(text)
	more.WriteString("\n\nFROM scratch\n")
	for i := 0; i < stages; i++ {
		fmt.Fprintf(&more, "COPY --from=%d / /\n", i)
	}
	result, err := parser.Parse(strings.NewReader(more.String()))
	if err != nil {
		return text
	}
	if now, _, err := instructions.Parse(result.AST, nil); err != nil || len(now) != stages+1 {
		return text
	}
	return more.String()
}

func main() {
	var texts []string
	if err := json.NewDecoder(os.Stdin).Decode(&texts); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	verdicts := make([]verdict, 0, len(texts))
	for _, text := range texts {
		verdicts = append(verdicts, judge(text))
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdicts); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
