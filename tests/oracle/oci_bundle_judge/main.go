// Judges bundles by the runtime-tools of the Open Container Initiative: each rule of the runtime specification that
// config.json breaks, one line for each. Status 1 where there is one.
//
//	oci_bundle_judge BUNDLE…
package main

import (
	"fmt"
	"os"

	"github.com/hashicorp/go-multierror"
	"github.com/opencontainers/runtime-tools/validate"
)

func judge(bundle string) error {
	validator, err := validate.NewValidatorFromPath(bundle, true, "linux")
	if err != nil {
		return err
	}
	// Not CheckAll: it fetches the schema of a version from the network, takes one version alone, and wants the root
	// inside of the bundle, which engines that keep images in a store have elsewhere.
	for _, check := range []func() error{
		validator.CheckPlatform, validator.CheckMandatoryFields, validator.CheckMounts,
		validator.CheckProcess, validator.CheckLinux, validator.CheckAnnotations, validator.CheckHooks,
	} {
		err = multierror.Append(err, check())
	}
	return err.(*multierror.Error).ErrorOrNil()
}

func main() {
	status := 0
	for _, bundle := range os.Args[1:] {
		if err := judge(bundle); err != nil {
			fmt.Printf("%s: %v\n", bundle, err)
			status = 1
		}
	}
	os.Exit(status)
}
