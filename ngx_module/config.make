# Sourced by nginx's configure after config: adds the rules for the library to
# the makefile. Only cargo knows whether it is up to date, so it is asked each
# time; it leaves the file alone, and nothing is linked again, when it is.
#
# cargo is called from the folder of the library, where it finds the settings
# that belong to it, and without make's job server, which is not its.

for realpeer_product in $realpeer_products; do
    cat << END                                                >> $NGX_MAKEFILE

$NGX_OBJS/$realpeer_product:	$realpeer_lib

END
done

cat << END                                                    >> $NGX_MAKEFILE

$realpeer_lib:	realpeer_library
	@:

.PHONY:	realpeer_library
realpeer_library:
	cd "$realpeer_root" && MAKEFLAGS= $realpeer_cargo rustc --quiet --locked \\
		--release --lib --no-default-features --features capi \\
		--crate-type staticlib --target $realpeer_triple \\
		--target-dir "$realpeer_target"

END
