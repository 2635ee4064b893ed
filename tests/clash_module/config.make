# The rule for the library, which has no crate but is one file.

cat << END                                                    >> $NGX_MAKEFILE

$NGX_OBJS/$clash_product:	$clash_lib

$clash_lib:	$clash_source
	${RUSTC:-rustc} --edition 2024 --crate-type staticlib -O \\
		-C panic=abort $clash_cfg -o $clash_lib $clash_source

END
