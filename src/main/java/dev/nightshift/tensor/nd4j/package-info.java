/**
 * Every operation as its formula on ND4J arrays: the reference of the contract test and a portable backend. Tensors are host
 * memory; arrays are copies that live for one operation, dequantised weights for one tile of rows. ND4J itself is there only
 * with the profile nd4j-native or nd4j-cuda; {@link dev.nightshift.tensor.nd4j.Nd4jBackend} is the way in that says so.
 */
package dev.nightshift.tensor.nd4j;
